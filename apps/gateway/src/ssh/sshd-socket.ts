// A connection to the sshd of a workplace: waits until the Gitspace runs, dials, and lives only as long as the key opens it.
import type { Socket } from "node:net";
import { fail, SSH_HOST_KEY_HEADER, SSH_KEYS_HEADER, SSH_PORT, SSH_USER_HEADER } from "@gitspaces/contracts";
import type { House } from "../house.ts";
import { toldOf } from "../tunnel.ts";
import { opens } from "./key-rule.ts";
import type { Rooms } from "./rooms.ts";

export type SshdSocket = {
  socket: Socket;
  /** The one user there is. */
  user: string;
  /** The blob of the host key that sshd will show. */
  hostKey: Buffer;
};
type Wanted = {
  gitspaceId: string;
  /** The key by which the person is here; the connection ends when it opens the Gitspace no more. */
  by: string;
  /** What may log in over this connection. */
  keys: readonly string[];
};

/**
 * Dials it; a Gitspace that is stopped is started for its owner, who is held meanwhile.
 * @throws {FailureError} in words for the person
 */
export async function dialSshd(house: House, rooms: Rooms, wanted: Wanted, signal: AbortSignal): Promise<SshdSocket> {
  const { gitspaceId, by, keys } = wanted;
  const document = house.access.find(gitspaceId);
  if (!opens(document, by)) throw fail("not_found", "There is no such Gitspace.");
  using waiting = new DisposableStack();
  const room = waiting.use(rooms.take(gitspaceId));
  const asker = { user: document.owner, organisation: document.organisation };
  const routed = await house.waiting.whenRunning(gitspaceId, asker, signal, "ssh");
  const header = Buffer.from(keys.join("\n")).toString("base64");
  const socket = await house.upstreams.dial(routed, SSH_PORT, signal, { [SSH_KEYS_HEADER]: header });
  const { generation } = routed.route;
  const isAllowed = (): boolean => {
    const present = house.access.find(gitspaceId);
    return opens(present, by) && present.state === "running" && present.generation <= generation;
  };
  const place = { gitspaceId, generation, port: SSH_PORT, session: undefined, source: "ssh" as const };
  const live = house.live.open({ ...place, socket, isAllowed });
  waiting.move();
  socket.once("close", () => {
    room[Symbol.dispose]();
    live[Symbol.dispose]();
  });
  const end = (): void => void socket.destroy();
  live.ended.addEventListener("abort", end, { once: true });
  if (!isAllowed() || signal.aborted) end();
  const told = toldOf(socket);
  const [, blob = ""] = (told[SSH_HOST_KEY_HEADER] ?? "").split(" ");
  return { socket, user: told[SSH_USER_HEADER] ?? "", hostKey: Buffer.from(blob, "base64") };
}
