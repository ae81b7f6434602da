// What somebody who has logged in may do: sessions and forwarding in the Gitspace they came for, and jumps to any that their key opens.
import type { Client, Connection, ServerChannel } from "ssh2";
import { fail, SSH_PORT } from "@gitspaces/contracts";
import type { House } from "../house.ts";
import { Forwarding, isLoopback, splice } from "./forwarding.ts";
import { type Guest, keysFor, opens } from "./key-rule.ts";
import type { Rooms } from "./rooms.ts";
import { serveSession } from "./session.ts";
import { dialSshd } from "./sshd-socket.ts";
import { logIn, type OwnKey } from "./workplace-client.ts";

type Ground = { house: House; rooms: Rooms; ownKey: OwnKey };
/** Where a Gitspace's sshd is for somebody who jumps: the usual port, or the one it has on its agent. */
const jumpPorts = new Set([22, SSH_PORT]);
/** Of one person's connection at the same time: as many as the workplace's sshd takes. */
const MOST_SESSIONS = 100;

/** Serves a person's connection until `left` aborts. */
export function hostStay(ground: Ground, person: Connection, guest: Guest, left: AbortSignal): void {
  const { house, rooms, ownKey } = ground;
  const { gitspaceId, key, login } = guest;
  let reached: Promise<Client> | undefined;
  let sessions = 0;

  const reach = async (): Promise<Client> => {
    if (gitspaceId === undefined) throw fail("not_found", `There is no Gitspace ${shown(login)} that your key opens.`);
    const wanted = { gitspaceId, by: key, keys: [ownKey.line] };
    reached ??= dialSshd(house, rooms, wanted, left).then(async (sshd) => {
      const client = await logIn(sshd, ownKey, person);
      // Nothing can be opened over it any more: the person's client sees the end, as of any sshd.
      client.once("close", () => person.end());
      if (left.aborted) client.destroy();
      left.addEventListener("abort", () => client.end(), { once: true });
      return client;
    });
    reached.catch(() => (reached = undefined));
    return await reached;
  };
  const forwarding = new Forwarding(person, reach);

  person.on("session", (accept, reject) => {
    if (sessions >= MOST_SESSIONS) return reject();
    sessions++;
    serveSession(accept(), reach, () => void sessions--);
  });
  person.on("tcpip", (accept, reject, { destIP, destPort, srcIP, srcPort }) => {
    if (opens(house.access.find(destIP), key) && jumpPorts.has(destPort))
      return void jump(ground, { gitspaceId: destIP, key }, accept, reject, left);
    if (gitspaceId === undefined || !isLoopback(destIP)) return reject();
    void forwarding.outwards(accept, reject, (client, answer) =>
      client.forwardOut(srcIP, srcPort, destIP, destPort, answer),
    );
  });
  person.on("openssh.streamlocal", (accept, reject, { socketPath }) => {
    if (gitspaceId === undefined) return reject();
    void forwarding.outwards(accept, reject, (client, answer) =>
      client.openssh_forwardOutStreamLocal(socketPath, answer),
    );
  });
  person.on("request", (accept, reject, name, info) => {
    if (gitspaceId === undefined) return reject?.();
    void forwarding.request(accept, reject, name, info as never);
  });
}

/** End to end: the bytes go to the workplace's sshd as they are, which lets the owner's keys in. */
async function jump(
  { house, rooms }: Ground,
  { gitspaceId, key }: { gitspaceId: string; key: string },
  accept: () => ServerChannel,
  reject: () => void,
  left: AbortSignal,
): Promise<void> {
  try {
    const document = house.access.find(gitspaceId);
    const keys = document === undefined ? [] : keysFor(document, key);
    const { socket } = await dialSshd(house, rooms, { gitspaceId, by: key, keys }, left);
    const channel = accept() as ServerChannel | undefined;
    if (channel === undefined) return void socket.destroy();
    splice(channel, socket);
  } catch (error) {
    house.log.debug({ err: error, gitspaceId }, "a jump came to nothing");
    reject();
  }
}

/** A name that somebody typed, fit for a terminal. */
function shown(login: string): string {
  return JSON.stringify(login.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 64));
}
