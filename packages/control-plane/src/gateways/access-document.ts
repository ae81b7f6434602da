// Who may reach a Gitspace, as the gateways are told: written whenever its state or generation changes.
import type { AccessDocument } from "@gitspaces/contracts";
import { shownState } from "../lifecycle/situation.ts";
import { passesOf, portsOf } from "../shared.ts";
import type { GitspaceRow } from "../store/gitspaces.ts";
import type { Store } from "../store/store.ts";
import type { UserRow } from "../store/users.ts";

/** Puts the present document of a Gitspace at the end of the access stream, inside the caller's step. */
export function writeAccessDocument(store: Store, id: string): void {
  const gitspace = store.gitspaces.get({ id }) as GitspaceRow;
  const instance = gitspace.instance === null ? undefined : store.instances.get({ id: gitspace.instance });
  const owner = store.users.get({ identifier: gitspace.owner }) as UserRow;
  const version = store.access.append(
    "access",
    id,
    (next): AccessDocument => ({
      gitspaceId: id,
      version: next,
      name: gitspace.name,
      state: gitspace.deleted === null ? shownState(instance?.state ?? null) : "deleted",
      generation: gitspace.generation,
      owner: owner.identifier,
      organisation: owner.organisation,
      ports: portsOf(store, id),
      passes: passesOf(store, id, gitspace.owner, 0),
      sshKeys: store.sshKeys.ofUser({ user: gitspace.owner }).map(({ public_key }) => public_key),
    }),
  );
  store.gitspaces.setVersion({ id, version });
  store.bells.touch("access");
}
