// The SSH door of the gateway: takes connections from its port and from WebSockets, lets people in by their keys, hosts their stay.
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
import { clientOf } from "../edge/client-of.ts";
import type { House } from "../house.ts";
import type { TakeSsh } from "../ssh-over-websocket.ts";
import { algorithms } from "./algorithms.ts";
import type { HostKey } from "./host-keys.ts";
import { awaitLogin } from "./login.ts";
import { Rooms } from "./rooms.ts";
import { hostStay } from "./stay.ts";
import { makeOwnKey } from "./workplace-client.ts";

/** From the first byte to a login: a security key may have to be touched. */
const LOGIN_MS = 30_000;
/** A peer that is silent for three minutes is gone; one that is idle answers. */
const ASK_ALIVE_MS = 30_000;
const MOST_UNANSWERED = 6;
const MOST_PER_ADDRESS = 128;
const MOST_PER_GITSPACE = 64;
const MOST_STRANGERS = 256;

export type SshDoor = { take: TakeSsh; end: () => void };

/** Makes it; it listens nowhere itself. */
export function makeSshDoor(house: House, hostKeys: readonly HostKey[]): SshDoor {
  const addresses = new Rooms(MOST_PER_ADDRESS);
  const ground = { house, rooms: new Rooms(MOST_PER_GITSPACE), ownKey: makeOwnKey() };
  const inside = new Set<Duplex>();
  const strangers = new Set<Duplex>();
  const protocol = new ssh2.Server({
    hostKeys: hostKeys.map(({ secret }) => secret),
    algorithms: { ...algorithms },
    ident: "gitspaces",
    keepaliveInterval: ASK_ALIVE_MS,
    keepaliveCountMax: MOST_UNANSWERED,
  });
  protocol.on("connection", (connection) => {
    const stream = streamOf(connection);
    const left = new AbortController();
    connection.on("error", (error) => house.log.debug({ err: error }, "an SSH connection failed"));
    connection.on("close", () => left.abort());
    awaitLogin(connection, house.access, (guest) => {
      strangers.delete(stream);
      house.log.info({ login: guest.gitspaceId ?? "a jump" }, "SSH login");
      hostStay(ground, connection, guest, left.signal);
    });
  });

  const take: TakeSsh = (stream, remoteAddress) => {
    stream.on("error", () => stream.destroy());
    let room: Disposable;
    try {
      room = addresses.take(clientOf(remoteAddress));
    } catch {
      stream.destroy();
      return;
    }
    if (strangers.size >= MOST_STRANGERS) strangers.values().next().value?.destroy();
    inside.add(stream);
    strangers.add(stream);
    const late = setTimeout(() => strangers.has(stream) && stream.destroy(), LOGIN_MS);
    stream.once("close", () => {
      clearTimeout(late);
      room[Symbol.dispose]();
      inside.delete(stream);
      strangers.delete(stream);
    });
    protocol.injectSocket(stream as Socket);
  };
  const end = (): void => inside.forEach((stream) => void stream.destroy());
  return { take, end };
}

/** ssh2 tells of a connection by its own object; the stream that it was given is in it. */
function streamOf(connection: ssh2.Connection): Duplex {
  const { _sock: stream } = connection as unknown as { _sock: Duplex };
  return stream;
}
