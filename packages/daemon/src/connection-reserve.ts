// A reserve of file descriptors: before they run out, new connections are refused, so that those served, and the admin listener, go on.
import { readdirSync, readFileSync } from "node:fs";
import type { Server } from "node:http";
import type { Socket } from "node:net";

/** From here on a new connection is answered "not now"; the rest is for upstreams, files, and the administrator. */
const BUSY_PART = 0.85;
/** From here on there is none to spare even for that answer. */
const FULL_PART = 0.95;
const LOOK_EVERY_MS = 500;
/** How soon it is looked again when what was counted since says that it is tight. */
const LOOK_CLOSELY_MS = 20;
const REFUSED_MS = 2_000;

export type Descriptors = { inUse: number; limit: number };
export type ConnectionReserve = {
  /** Whether requests on this connection are to be answered 503, and the connection closed. */
  isRefused(socket: Socket): boolean;
};

/** What becomes of one more connection. */
export function judge({ inUse, limit }: Descriptors): "serve" | "refuse" | "drop" {
  if (inUse >= limit * FULL_PART) return "drop";
  return inUse >= limit * BUSY_PART ? "refuse" : "serve";
}

/** Watches the connections of a server. The limit is read again and again: it may be changed while the process runs. */
export function keepConnectionReserve(server: Server, look: () => Descriptors = readDescriptors): ConnectionReserve {
  /** By their far end: over TLS a request has another socket than the connection that came. */
  const refused = new Set<string>();
  let seen = { inUse: 0, limit: Number.POSITIVE_INFINITY };
  let seenAt = -LOOK_EVERY_MS;
  /** Connections opened and closed since. */
  let change = 0;

  function verdict(): ReturnType<typeof judge> {
    const counted = judge({ ...seen, inUse: seen.inUse + change });
    const ageMs = performance.now() - seenAt;
    if (ageMs < (counted === "serve" ? LOOK_EVERY_MS : LOOK_CLOSELY_MS)) return counted;
    [seen, seenAt, change] = [look(), performance.now(), 0];
    return judge(seen);
  }

  server.on("connection", (socket: Socket) => {
    change++;
    socket.once("close", () => change--);
    const now = verdict();
    if (now === "drop") {
      socket.destroy();
    } else if (now === "refuse") {
      const end = farEnd(socket);
      refused.add(end);
      socket.once("close", () => refused.delete(end));
      socket.setTimeout(REFUSED_MS, () => socket.destroy());
    }
  });
  return { isRefused: (socket) => refused.size > 0 && refused.has(farEnd(socket)) };
}

function farEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** The open descriptors of this process and how many it may have; without /proc there is no limit. */
function readDescriptors(): Descriptors {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return { inUse: readdirSync("/proc/self/fd").length, limit: Number(soft ?? Number.POSITIVE_INFINITY) };
  } catch (error) {
    // None left to look with, whatever has been closed since.
    if ((error as NodeJS.ErrnoException).code === "EMFILE") return { inUse: Number.POSITIVE_INFINITY, limit: 1 };
    return { inUse: 0, limit: Number.POSITIVE_INFINITY };
  }
}
