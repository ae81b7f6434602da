// Lives in the network of a dev container and nowhere else of it: connects there and hands each socket over, unread.
import { Resolver } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";

export type DialRequest = { id: number; port: number; host: string | null };
export type DialReply = { id: number; error?: string };

const DEADLINE_MS = 8_000;
/** Where an engine answers for the names of the services of one network. */
const ENGINE_DNS = "127.0.0.11";

// Only its sockets are needed; an id of nobody's is enough for that.
if (process.getuid?.() === 0) {
  process.setgroups?.([]);
  process.setgid?.(65_534);
  process.setuid?.(65_534);
}

process.on("message", (request: DialRequest) => void answer(request));
process.on("disconnect", () => process.exit(0));

async function answer({ id, port, host }: DialRequest): Promise<void> {
  try {
    const socket = await dialFirst(host === null ? ["127.0.0.1", "::1"] : await addressesOf(host), port);
    process.send?.({ id } satisfies DialReply, socket);
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) } satisfies DialReply);
  }
}

async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  const resolver = new Resolver({ timeout: 2_000, tries: 1 });
  resolver.setServers([ENGINE_DNS]);
  return await resolver.resolve4(host);
}

async function dialFirst(hosts: readonly string[], port: number): Promise<Socket> {
  let cause: unknown = new Error("there is no address to dial");
  for (const host of hosts) {
    try {
      return await dialOne(host, port);
    } catch (error) {
      cause = error;
    }
  }
  throw cause;
}

async function dialOne(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  // What a server says first is read by whoever gets the socket.
  socket.pause();
  return await new Promise((resolve, reject) => {
    const late = setTimeout(() => socket.destroy(new Error("dialling took too long")), DEADLINE_MS);
    socket.once("error", (error) => {
      clearTimeout(late);
      reject(error);
    });
    socket.once("connect", () => {
      clearTimeout(late);
      resolve(socket);
    });
  });
}
