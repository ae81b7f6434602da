// Adding and removing a person's SSH keys: the access documents of all their Gitspaces change in the same step, and their timelines say so.
import { type CreateSshKey, fail, SSH_KEYS_PER_PERSON } from "@gitspaces/contracts";
import { v7 as uuidv7 } from "uuid";
import type { z } from "zod";
import type { ApiParts } from "./api/gitspaces.ts";
import { writeAccessDocument } from "./gateways/access-document.ts";
import { writeEvent } from "./lifecycle/act.ts";
import { readPublicKey } from "./ssh-public-key.ts";
import type { SshKeyRow } from "./store/ssh-keys.ts";
import type { UserRow } from "./store/users.ts";

type Parts = Pick<ApiParts, "store" | "clock">;

/** Adds a key; the same one again is found again. @throws {FailureError} `bad_request`, or `conflict` when there are too many. */
export function addSshKey(
  { store, clock }: Parts,
  user: UserRow,
  asked: z.output<typeof CreateSshKey>,
): { row: SshKeyRow; isNew: boolean } {
  const { type, line, fingerprint, comment } = readPublicKey(asked.public_key);
  return store.step("SshKeyAdded", () => {
    const present = store.sshKeys.ofUser({ user: user.identifier });
    const same = present.find(({ public_key }) => public_key === line);
    if (same !== undefined) return { row: same, isNew: false };
    if (present.length >= SSH_KEYS_PER_PERSON)
      throw fail("conflict", `There are ${SSH_KEYS_PER_PERSON} keys already. Remove one that is not used any more.`, {
        retry: "never",
      });
    const name = asked.name ?? (comment === "" ? type : comment);
    const row: SshKeyRow = {
      identifier: uuidv7(),
      user: user.identifier,
      name,
      type,
      fingerprint,
      public_key: line,
      created: clock.now(),
    };
    store.sshKeys.add(row);
    tellGitspaces({ store, clock }, row, "ssh_key_added", user);
    return { row, isNew: true };
  });
}

/** Removes a key of this person, or anybody's for an administrator: it opens nothing any more. @throws {FailureError} `not_found` */
export function removeSshKey({ store, clock }: Parts, user: UserRow, identifier: string): void {
  store.step("SshKeyRemoved", () => {
    const row = store.sshKeys.get({ identifier });
    if (row === undefined || (row.user !== user.identifier && user.role !== "admin"))
      throw fail("not_found", "There is no such SSH key.");
    store.sshKeys.remove({ identifier });
    tellGitspaces({ store, clock }, row, "ssh_key_removed", user);
  });
}

function tellGitspaces(
  { store, clock }: Parts,
  { user, name, fingerprint }: SshKeyRow,
  kind: "ssh_key_added" | "ssh_key_removed",
  by: UserRow,
): void {
  const verb = kind === "ssh_key_added" ? "may be used from now on" : "opens nothing any more";
  const message = `The SSH key ${name} (${fingerprint}) ${verb}`;
  for (const { id, instance } of store.gitspaces.ofOwner({ owner: user })) {
    writeAccessDocument(store, id);
    writeEvent(
      store,
      { gitspace: id, instance, task: null, at: clock.now() },
      { kind, message, fields: { fingerprint, user: by.identifier } },
    );
  }
}
