// Who listens on a TCP port of this machine, as /proc tells it.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

const LISTENING = "0A";

/** The process that listens on `port`, or nothing when it is another user's, in another namespace, or gone. */
export function findListener(port: number): { pid: number; command: string } | undefined {
  const inodes = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) => listeningInodes(table, port)));
  if (inodes.size === 0) return undefined;
  for (const pid of numericNames("/proc")) {
    if (!holdsSocket(pid, inodes)) continue;
    return { pid: Number(pid), command: programOf(pid) };
  }
  return undefined;
}

/** The name of its program; its arguments are nobody else's business. */
function programOf(pid: string): string {
  const [program = ""] = readOr(`/proc/${pid}/cmdline`, "").split("\0");
  return basename(program) || "a process";
}

/** Columns of /proc/net/tcp (proc(5)): sl, local address:port in hex, remote, state, queues, timer, retransmits, uid, timeout, inode. */
function listeningInodes(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return readOr(table, "")
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === LISTENING && local?.endsWith(suffix) === true)
    .map((columns) => `socket:[${columns[9]}]`);
}

function holdsSocket(pid: string, sockets: Set<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => sockets.has(readLink(`/proc/${pid}/fd/${fd}`)));
  } catch {
    return false;
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}

function numericNames(folder: string): string[] {
  return readdirSync(folder).filter((name) => /^[0-9]+$/.test(name));
}
