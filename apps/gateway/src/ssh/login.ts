// Logging in: public keys alone, few tries, and the same answer to whoever is unknown and whoever is not allowed.
import type { AuthContext, Connection } from "ssh2";
import type { Access } from "../access.ts";
import { type Guest, isProven, recognise } from "./key-rule.ts";

/** Proofs that fail, and methods that are none of ours. */
const MOST_TRIES = 3;
/** A client asks which of its keys is welcome before it proves anything; an agent may hold many. */
const MOST_QUESTIONS = 20;

/** Calls `come` once with who has logged in. A client that tries too often is sent away. */
export function awaitLogin(
  connection: Connection,
  access: Pick<Access, "find" | "isSshKey">,
  come: (guest: Guest) => void,
): void {
  let tries = 0;
  let questions = 0;
  const refuse = (context: AuthContext): void => {
    if (tries >= MOST_TRIES || questions >= MOST_QUESTIONS) connection.end();
    else context.reject(["publickey"]);
  };
  connection.on("authentication", (context) => {
    if (context.method !== "publickey") {
      // Every client begins with `none`, to hear what there is.
      if (context.method !== "none" || ++questions > MOST_QUESTIONS) tries++;
      return refuse(context);
    }
    const isQuestion = context.signature === undefined;
    const guest = recognise(access, context.username, context.key.data.toString("base64"));
    if (guest !== undefined && isQuestion) return context.accept();
    if (guest === undefined || !isProven(context)) {
      if (isQuestion) questions++;
      else tries++;
      return refuse(context);
    }
    context.accept();
    come(guest);
  });
}
