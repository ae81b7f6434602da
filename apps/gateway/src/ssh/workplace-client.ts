// The second SSH connection of a session that ends at the gateway: from here to the workplace's own sshd, with a key that only this
// process has, to the host key that the agent named.
import ssh2, { type Client, type Connection } from "ssh2";
import { fail } from "@gitspaces/contracts";
import { algorithms } from "./algorithms.ts";
import { makePrivateKey, publicLine } from "./private-key.ts";
import { PersonsAgent } from "./persons-agent.ts";
import type { SshdSocket } from "./sshd-socket.ts";

const READY_MS = 15_000;

/** A key pair for as long as this process lives; `line` is `type blob`. */
export type OwnKey = { secret: string; line: string };
export function makeOwnKey(): OwnKey {
  const secret = makePrivateKey();
  return { secret, line: publicLine(secret) };
}

/** Logs in. `person` is the connection whose agent may be forwarded. @throws {FailureError} `vm_unreachable` */
export async function logIn(
  { socket, user, hostKey }: SshdSocket,
  ownKey: OwnKey,
  person: Connection,
): Promise<Client> {
  const client = new ssh2.Client();
  // ssh2 leaves its half open when the other side's sshd is gone, and nobody would ever be told.
  socket.once("end", () => socket.end());
  const ready = new Promise<void>((resolve, reject) => {
    client.once("ready", () => resolve());
    client.on("error", reject);
    client.once("close", () => reject(new Error("the connection was closed")));
  });
  try {
    client.connect({
      sock: socket,
      username: user,
      privateKey: ownKey.secret,
      authHandler: ["publickey"],
      agent: new PersonsAgent(person),
      hostVerifier: (shown: Buffer) => shown.equals(hostKey),
      algorithms: { ...algorithms },
      readyTimeout: READY_MS,
    });
    await ready;
  } catch (cause) {
    client.destroy();
    throw fail("vm_unreachable", "The Gitspace's sshd does not let the gateway in.", { cause });
  }
  return client;
}
