// The next process, as the one before sees it: started from the code that is on the disk now, given the listening sockets, or killed.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Server } from "node:net";
import { fail, FailureError } from "@gitspaces/contracts";
import type { DoorName } from "./doors.ts";
import { identify, type Identity, isAlive, signalTo } from "./crew.ts";
import { ANCHOR, type FromPredecessor, FromSuccessor, PREDECESSOR } from "./messages.ts";

export type Successor = {
  identity: Identity;
  /** Tells it that it has the place. Does nothing when it has died. */
  release: () => void;
  isAlive: () => boolean;
  kill: () => void;
};
type Starting = {
  find: (door: DoorName) => Server | undefined;
  anchor: Identity | undefined;
  deadlineMs: number;
};

/**
 * The shell goes at once and leaves the successor to the init process: a service manager then hears of its end, as it does of its own
 * children's. The program and its arguments are the shell's arguments, no text of the script.
 */
const APART = '"$@" 4>&- & echo "$!" >&4';
const PID_MS = 5_000;

/**
 * Starts a successor; resolves when it serves. One that fails, or takes longer than `deadlineMs`, is killed.
 * @throws {FailureError} with its own words.
 */
export async function startSuccessor({ find, anchor, deadlineMs }: Starting): Promise<Successor> {
  const child = spawn("/bin/sh", ["-c", APART, "sh", process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    stdio: ["ignore", "inherit", "inherit", "ipc", "pipe"],
    env: {
      ...process.env,
      [PREDECESSOR]: String(process.pid),
      [ANCHOR]: anchor === undefined ? "" : JSON.stringify(anchor),
    },
  });
  child.on("error", () => undefined);
  const identity = await readIdentity(child);
  const successor: Successor = {
    identity,
    release: () => tell(child, { say: "released" }),
    isAlive: () => isAlive(identity),
    kill: () => signalTo(identity, "SIGKILL"),
  };
  try {
    await serves(child, find, deadlineMs);
    return successor;
  } catch (error) {
    successor.kill();
    if (child.connected) child.disconnect();
    throw error;
  }
}

async function readIdentity(child: ChildProcess): Promise<Identity> {
  try {
    const pipe = child.stdio[4] as NodeJS.ReadableStream;
    const [line] = (await once(pipe, "data", { signal: AbortSignal.timeout(PID_MS) })) as [Buffer];
    const identity = identify(Number(line.toString()));
    if (identity === undefined) throw new Error("it ended at once");
    return identity;
  } catch (cause) {
    if (child.connected) child.disconnect();
    throw fail("internal", `The new process could not be started: ${(cause as Error).message}.`, { cause });
  }
}

function serves(child: ChildProcess, find: Starting["find"], deadlineMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (failure?: FailureError): void => {
      clearTimeout(late);
      child.off("message", hear).off("disconnect", ended);
      if (failure === undefined) resolve();
      else reject(failure);
    };
    const ended = (): void =>
      settle(fail("internal", "The new process ended before it served; its words are in the log."));
    const hear = (message: unknown): void => {
      const heard = FromSuccessor.safeParse(message).data;
      if (heard?.say === "want") tell(child, { say: "door", door: heard.door }, find(heard.door));
      if (heard?.say === "ready") settle();
      if (heard?.say === "failed") settle(fail("internal", `The new process could not start: ${heard.reason}`));
    };
    const late = setTimeout(
      () => settle(fail("timeout", `The new process did not serve within ${deadlineMs / 1_000} s.`)),
      deadlineMs,
    );
    child.on("message", hear).once("disconnect", ended);
    if (!child.connected) ended();
  });
}

function tell(child: ChildProcess, message: FromPredecessor, server?: Server): void {
  if (child.connected) child.send(message, server, {}, () => undefined);
}
