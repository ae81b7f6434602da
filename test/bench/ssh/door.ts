// The gateway's SSH door in a process of its own, before two Gitspaces: `plain` is dialled as it is, `tunnel` through an agent.
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import type { AccessDocument, Route } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import type { TlsIdentity } from "@gitspaces/daemon/certificates";
import type { House } from "../../../apps/gateway/src/house.ts";
import { LiveConnections } from "../../../apps/gateway/src/live-connections.ts";
import type { Routed } from "../../../apps/gateway/src/routes.ts";
import { sshHostKeysOf } from "../../../apps/gateway/src/ssh/host-keys.ts";
import { openSsh } from "../../../apps/gateway/src/ssh/open.ts";
import { noteTold } from "../../../apps/gateway/src/tunnel.ts";
import { Upstreams } from "../../../apps/gateway/src/upstreams.ts";

export type DoorOrder = {
  folder: string;
  /** The person's public key. */
  key: string;
  identity: TlsIdentity;
  /** The agent in front of an sshd. */
  route: Route;
  /** An sshd that is dialled as it is, the file of its keys, and what its agent would say of it. */
  sshd: { port: number; keysFile: string; told: Record<string, string> };
};

process.once("message", (order: DoorOrder) => void open(order));
process.once("disconnect", () => process.exit(0));

async function open({ folder, key, identity, route, sshd }: DoorOrder): Promise<void> {
  const documents = new Map(["plain", "tunnel"].map((gitspaceId) => [gitspaceId, documentOf(gitspaceId, key)]));
  const tunnels = new Upstreams(() => identity);
  const routed = (gitspaceId: string): Routed => ({
    route: { ...route, gitspaceId },
    ended: new AbortController().signal,
  });
  const dialPlain = async (headers: Readonly<Record<string, string>>): Promise<Socket> => {
    writeFileSync(sshd.keysFile, `${Buffer.from(headers["gitspaces-ssh-keys"] ?? "", "base64").toString()}\n`);
    const socket = connect({ port: sshd.port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    await once(socket, "connect");
    noteTold(socket, sshd.told);
    return socket;
  };
  const house = {
    access: { find: (id: string) => documents.get(id), isSshKey: () => true },
    live: new LiveConnections(),
    log: createLog("bench", "silent"),
    waiting: { whenRunning: async (id: string) => await Promise.resolve(routed(id)) },
    upstreams: {
      dial: async (to: Routed, port: number, signal: AbortSignal, headers: Readonly<Record<string, string>>) =>
        to.route.gitspaceId === "plain" ? await dialPlain(headers) : await tunnels.dial(to, port, signal, headers),
    },
  } as unknown as House;
  const { address } = await openSsh(house, sshHostKeysOf(folder), { host: "127.0.0.1", port: 0 });
  process.send?.({ port: address.port });
}

function documentOf(gitspaceId: string, key: string): AccessDocument {
  const place = { gitspaceId, name: gitspaceId, owner: "ada", organisation: "engine" };
  return { ...place, version: 1, state: "running", generation: 1, ports: {}, sshKeys: [key] };
}
