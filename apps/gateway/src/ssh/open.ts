// Opens the SSH door of a gateway. What speaks SSH is loaded for the first one who comes: a gateway nobody reaches so goes without.
import { createServer } from "node:net";
import type { Address } from "@gitspaces/daemon";
import type { Doorway } from "../hand-over/doors.ts";
import type { House } from "../house.ts";
import { type Listening, open } from "../listener.ts";
import type { TakeSsh } from "../ssh-over-websocket.ts";
import { hasNativeCiphers } from "./algorithms.ts";
import type { SshDoor } from "./door.ts";
import type { HostKey } from "./host-keys.ts";

const KEEP_ALIVE_MS = 30_000;

/** Listens for SSH, and takes connections from WebSockets from now on. */
export async function openSsh(
  house: House,
  hostKeys: readonly HostKey[],
  place: Address | Doorway,
): Promise<Listening> {
  if (!hasNativeCiphers())
    house.log.warn("ssh2 was installed without its native ciphers, so SSH costs half as much processor time again");
  let door: Promise<SshDoor> | undefined;
  const take: TakeSsh = (stream, remoteAddress) => {
    stream.on("error", () => stream.destroy());
    door ??= import("./door.ts").then(({ makeSshDoor }) => makeSshDoor(house, hostKeys));
    void door.then((made) => made.take(stream, remoteAddress));
  };
  house.takeSsh = take;
  house.sshHostKeys = hostKeys.map(({ line }) => line);
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }, (socket) =>
    take(socket, (socket.remoteAddress ?? "").replace(/^::ffff:/, "")),
  );
  return await open(server, place, async () => (await door)?.end());
}
