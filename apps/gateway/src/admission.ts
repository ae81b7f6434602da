// Who is let in: decided from the access document and the session alone.
import { type AccessDocument, mayBeShared } from "@gitspaces/contracts";
import { type Grant, isListed } from "./passes/pass-reader.ts";

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
  /** Set when it came of a token or a link, and not of a person who signed in. */
  pass?: Grant;
};

/** `unknown` is both "there is none" and "you may not know": nobody can tell the two apart. */
export type Admission = "admitted" | "sign_in" | "unknown";

/** Whether this session, or nobody in particular, may reach a port of the Gitspace. */
export function admit(document: AccessDocument | undefined, port: number, session: Session | undefined): Admission {
  const refused = session === undefined ? "sign_in" : "unknown";
  if (document === undefined || document.state === "deleted") return refused;
  // The IDE and SSH are shells: no document opens them to anybody but the owner.
  const visibility = mayBeShared(port) ? (document.ports[String(port)] ?? "private") : "private";
  if (visibility === "public") return "admitted";
  if (session === undefined) return "sign_in";
  // A pass opens what the document says of it, also where its maker could do more.
  if (session.pass !== undefined) return isListed(document, port, session.pass) ? "admitted" : "unknown";
  if (session.user === document.owner) return "admitted";
  return visibility === "organisation" && session.organisation === document.organisation ? "admitted" : "unknown";
}
