// What systemd hears of this process (sd_notify): that it serves, reloads, stops, and which process is the main one.
// `systemd-notify` says it, because it is there wherever systemd is, waits until it was heard, and Node has no datagram socket of the
// Unix kind.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Logger } from "@gitspaces/daemon";

const HEARD_MS = 10_000;
const run = promisify(execFile);

export type ServiceManager = {
  /** Whether there is one that can follow a change of the main process. */
  readonly isThere: boolean;
  ready(mainPid: number, status: string): Promise<void>;
  reloading(): Promise<void>;
  stopping(): Promise<void>;
};

export function serviceManager(env: NodeJS.ProcessEnv, log: Logger): ServiceManager {
  const isThere = (env["NOTIFY_SOCKET"] ?? "") !== "";
  const say = async (...words: string[]): Promise<void> => {
    if (!isThere) return;
    try {
      await run("systemd-notify", words, { timeout: HEARD_MS });
    } catch (err) {
      log.warn({ err }, "systemd could not be told");
    }
  };
  return {
    isThere,
    ready: (mainPid, status) => say("READY=1", `MAINPID=${mainPid}`, `STATUS=${status}`),
    // By the clock that systemd compares it with (CLOCK_MONOTONIC).
    reloading: () => say("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`),
    stopping: () => say("STOPPING=1"),
  };
}
