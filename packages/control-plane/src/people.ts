// The administrator who is there from the beginning, with the token from adminTokenFile.
import type { Clock } from "@gitspaces/daemon";
import { sha256 } from "./hash.ts";
import { endAllOfToken } from "./revocation.ts";
import type { Store } from "./store/store.ts";

export const BOOTSTRAP_TOKEN = "bootstrap";
const NEVER_MS = Date.UTC(9999, 0);

/** Makes user `admin` when missing and lets exactly this token in; an earlier content of the file is out. */
export function bootstrapAdmin(store: Store, clock: Clock, token: string): void {
  const created = clock.now();
  const hash = sha256(token);
  store.step("AdminMade", () => {
    const admin = {
      identifier: "admin",
      display_name: "Administrator",
      email: "admin@localhost",
      organisation: "default",
    };
    store.users.add({ ...admin, role: "admin", created });
    if (store.tokens.byHash({ hash }) !== undefined) return;
    endAllOfToken(store, BOOTSTRAP_TOKEN, created);
    store.tokens.put({
      identifier: BOOTSTRAP_TOKEN,
      name: "administrator's first token",
      user: "admin",
      hash,
      created,
      expires_at: NEVER_MS,
    });
  });
}
