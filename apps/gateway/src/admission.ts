// Who is let in: decided from the access document and the session alone.
import { type AccessDocument, IDE_PORT } from "@gitspaces/contracts";

export type Session = {
  /** The user. */
  user: string;
  organisation: string;
  sessionId: string;
  /** The one host it is good for. */
  hostname: string;
  /** Milliseconds since the epoch. */
  startedAt: number;
  expiresAt: number;
};

/** `unknown` is both "there is none" and "you may not know": nobody can tell the two apart. */
export type Admission = "admitted" | "sign_in" | "unknown";

/** Whether this session, or nobody in particular, may reach a port of the Gitspace. */
export function admit(document: AccessDocument | undefined, port: number, session: Session | undefined): Admission {
  const refused = session === undefined ? "sign_in" : "unknown";
  if (document === undefined || document.state === "deleted") return refused;
  const visibility = document.ports[String(port)] ?? "private";
  // The IDE is a shell: no document opens it to the world.
  if (visibility === "public" && port !== IDE_PORT) return "admitted";
  if (session === undefined) return "sign_in";
  if (session.user === document.owner) return "admitted";
  return visibility === "organisation" && session.organisation === document.organisation ? "admitted" : "unknown";
}
