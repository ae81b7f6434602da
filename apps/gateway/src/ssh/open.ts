// Opens the SSH door of a gateway, with its host keys and a word about what it lacks.
import { join } from "node:path";
import type { Address } from "@gitspaces/daemon";
import type { Doorway } from "../hand-over/doors.ts";
import type { House } from "../house.ts";
import { type Listening, open } from "../listener.ts";
import { hasNativeCiphers } from "./algorithms.ts";
import { makeSshDoor } from "./door.ts";
import { type HostKey, hostKeysIn } from "./host-keys.ts";

/** The host keys of the gateway whose own folder this is; made at its first start. */
export function sshHostKeysOf(folder: string): HostKey[] {
  return hostKeysIn(join(folder, "ssh"));
}

/** Listens for SSH, and takes connections from WebSockets from now on. */
export async function openSsh(
  house: House,
  hostKeys: readonly HostKey[],
  place: Address | Doorway,
): Promise<Listening> {
  if (!hasNativeCiphers())
    house.log.warn("ssh2 was installed without its native ciphers, so SSH costs half as much processor time again");
  const door = makeSshDoor(house, hostKeys);
  house.takeSsh = door.take;
  house.sshHostKeys = hostKeys.map(({ line }) => line);
  return await open(door.server, place, async () => door.end());
}
