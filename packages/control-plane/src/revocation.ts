// The end of sessions before their time: of the page's, and of those on the hosts of Gitspaces that came of them.
import type { Revocation } from "@gitspaces/contracts";
import { endPass } from "./sharing.ts";
import type { Store } from "./store/store.ts";

/** A code that is on its way may begin its session after this; it lives 60 s, and clocks may differ a little. */
const CODE_ON_ITS_WAY_MS = 180_000;

/** Ends a session of the page by its hash, and tells the gateways which of theirs it led to. Inside the caller's step. */
export function endSession(store: Store, hash: string, at: number): void {
  for (const { id, user } of store.visits.ofSession({ session: hash })) {
    const before = at + CODE_ON_ITS_WAY_MS;
    store.access.append("revocation", null, (version): Revocation => ({ version, user, session: id, before }));
  }
  store.visits.removeOfSession({ session: hash });
  store.sessions.remove({ hash });
  // Also wakes the page's own streams, which look whether they may go on.
  store.bells.touch("access");
}

/** Ends everything that was begun with a personal token: links not opened yet, what was shared, sessions of the page and what came of them. */
export function endAllOfToken(store: Store, token: string, at: number): void {
  store.links.removeOfToken({ token });
  for (const pass of store.passes.madeWith({ token })) endPass(store, pass, at);
  for (const { hash } of store.sessions.ofToken({ token })) endSession(store, hash, at);
  store.bells.touch("access");
}
