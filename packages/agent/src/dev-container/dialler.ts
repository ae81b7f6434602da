// Dials into a dev container's own loopback. A child in the container's network connects and hands over the socket itself,
// so no byte is copied by it. The child is started by the first dial, and again when it has died.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";
import type { DialReply, DialRequest } from "./dialler-child.ts";

export interface Dialler extends AsyncDisposable {
  /**
   * A connected socket to a port of the container's loopback, or of another `host` that its network knows by name.
   * @throws {FailureError} `vm_unreachable` when nothing answers there
   */
  dial(port: number, host?: string): Promise<Socket>;
}

class DiallerEnded extends Error {}
type Waiting = { resolve: (socket: Socket) => void; reject: (cause: Error) => void };

const DEADLINE_MS = 10_000;
/** A child that nobody needs gives its memory back. */
const IDLE_MS = 120_000;
const NETWORK = 3;

/** The dialler of the container whose first process is `pid` in this VM. @throws {FailureError} `vm_unreachable` when it is gone. */
export function openDialler(pid: number): Dialler {
  const network = openNetwork(pid);
  const waiting = new Map<number, Waiting>();
  let child: ChildProcess | undefined;
  let idle: NodeJS.Timeout | undefined;
  let lastId = 0;

  const lose = (gone: ChildProcess, why: string) => {
    if (child !== gone) return;
    child = undefined;
    for (const { reject } of waiting.values()) reject(new DiallerEnded(why));
    waiting.clear();
  };
  const launch = (): ChildProcess => {
    const born = spawnChild(network);
    born.on("message", (reply: DialReply, socket: Socket | undefined) => {
      const who = waiting.get(reply.id);
      waiting.delete(reply.id);
      if (socket === undefined) who?.reject(new Error(reply.error ?? "the socket was lost on its way"));
      else if (who === undefined) socket.destroy();
      else who.resolve(ready(socket));
    });
    born.once("error", (error) => lose(born, error.message));
    born.once("exit", () => lose(born, "the dialler ended"));
    return born;
  };
  const ask = async (port: number, host: string | undefined): Promise<Socket> => {
    clearTimeout(idle);
    const present = (child ??= launch());
    const id = ++lastId;
    const answered = new Promise<Socket>((resolve, reject) => waiting.set(id, { resolve, reject }));
    const late = setTimeout(() => waiting.get(id)?.reject(new Error("dialling took too long")), DEADLINE_MS);
    // One that dies meanwhile is heard of by its exit.
    present.send({ id, port, host: host ?? null } satisfies DialRequest, () => {});
    try {
      return await answered;
    } finally {
      clearTimeout(late);
      waiting.delete(id);
      idle = setTimeout(() => waiting.size === 0 && child?.disconnect(), IDLE_MS).unref();
    }
  };

  let closed = false;
  return {
    async dial(port, host) {
      const silent = host === undefined ? `Nothing listens on port ${port}.` : `Nothing answers at ${host}:${port}.`;
      if (closed) throw fail("vm_unreachable", silent);
      try {
        return await ask(port, host).catch(async (error: unknown) => {
          // It says nothing about the port; the next child does.
          if (!(error instanceof DiallerEnded) || closed) throw error;
          return await ask(port, host);
        });
      } catch (cause) {
        throw fail("vm_unreachable", silent, { cause });
      }
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      clearTimeout(idle);
      const last = child;
      if (last !== undefined) lose(last, "the dialler was closed");
      last?.kill("SIGKILL");
      closeSync(network);
    },
  };
}

/** An open descriptor is this one network for as long as it is open, whoever gets the pid next. */
function openNetwork(pid: number): number {
  let network: number;
  try {
    network = openSync(`/proc/${pid}/ns/net`, "r");
  } catch (cause) {
    throw fail("vm_unreachable", "The dev container is not running.", { cause });
  }
  if (fstatSync(network).ino !== statSync("/proc/self/ns/net").ino) return network;
  closeSync(network);
  throw fail("unsupported", "The dev container shares the network of its VM, so its ports are not forwarded.");
}

function spawnChild(network: number): ChildProcess {
  const program = join(import.meta.dirname, "dialler-child.ts");
  const node = [process.execPath, "--max-semi-space-size=1", "--max-old-space-size=64", program];
  const child = spawn("nsenter", [`--net=/proc/self/fd/${NETWORK}`, "--", ...node], {
    cwd: "/",
    env: { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", NODE_NO_WARNINGS: "1" },
    stdio: ["ignore", "ignore", "ignore", network, "ipc"],
  });
  // It must not keep an agent from leaving.
  child.unref();
  child.channel?.unref();
  return child;
}

/** A socket that came over a channel lets the other side talk on after its own end, as every tunnel here does. */
function ready(socket: Socket): Socket {
  socket.allowHalfOpen = true;
  return socket.setNoDelay(true);
}
