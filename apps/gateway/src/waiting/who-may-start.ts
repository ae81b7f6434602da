// Who may start a Gitspace by visiting it.
import type { AccessDocument } from "@gitspaces/contracts";
import type { Session } from "../admission.ts";

/** Somebody who is known: by a session, a token or an SSH key. */
export type Asker = Pick<Session, "user" | "organisation">;

/** Its owner. Whoever may only look at a port waits for somebody else's start, and nobody in particular starts nothing. */
export function mayStart(document: AccessDocument, asker: Asker | undefined): boolean {
  return asker !== undefined && asker.user === document.owner;
}
