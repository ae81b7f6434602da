// Which TCP ports listen in this VM, read from /proc as ss(8) does.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export type Listener = { port: number; inode: string };

const LISTEN = "0A";

/** The listening sockets of a /proc/net/tcp or tcp6 table that a connection to this machine's loopback would reach. */
export function parseListeners(table: string): Listener[] {
  return table
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      const [address, port] = local?.split(":") ?? [];
      if (state !== LISTEN || address === undefined || port === undefined || inode === undefined) return [];
      return answersLoopback(address) ? [{ port: Number.parseInt(port, 16), inode }] : [];
    });
}

/** The table's addresses are 32-bit words in host order: 0100007F is 127.0.0.1. */
function answersLoopback(address: string): boolean {
  // 127.0.0.11, where an engine serves names to its containers.
  if (address === "0B00007F") return false;
  return (
    /^0+$/.test(address) ||
    (address.length === 8 && address.endsWith("7F")) ||
    address === "00000000000000000000000001000000" ||
    (address.startsWith("0000000000000000FFFF0000") && (/0{8}$/.test(address) || address.endsWith("7F")))
  );
}

function readTable(process: number | "self", name: string): string {
  try {
    return readFileSync(`/proc/${process}/net/${name}`, "latin1");
  } catch {
    return "";
  }
}

/** Every socket that listens where loopback reaches it, in the network of this process or of another. */
export function listeners(process: number | "self" = "self"): Listener[] {
  return [...parseListeners(readTable(process, "tcp")), ...parseListeners(readTable(process, "tcp6"))];
}

/** The inodes of the sockets that these processes hold. */
export function socketsOf(pids: readonly number[]): Set<string> {
  const inodes = pids.flatMap((pid) => {
    try {
      return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => socketInode(`/proc/${pid}/fd/${fd}`) ?? []);
    } catch {
      return []; // The process ended meanwhile.
    }
  });
  return new Set(inodes);
}

function socketInode(link: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(link))?.[1];
  } catch {
    return undefined;
  }
}
