// A process of a house apart from its supervisor: replaced by one in other surroundings, or away while its folder is changed.
import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { type Daemon, type House, until } from "./house.ts";

type Victim = Daemon | "redis";
export type Readiness = { status: number; reasons: Record<string, string> };

/** What a daemon says of itself; status 0 when it does not answer within 4 s. */
export async function readiness(house: House, daemon: Daemon): Promise<Readiness> {
  const port = house.system.ready.ports[`${daemon.replace("-", "_")}_admin`];
  return await new Promise((resolve) => {
    const asked = get({ host: "127.0.0.1", port, path: "/readyz", agent: false, timeout: 4_000 }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
      answer.once("end", () => {
        const { reasons } = JSON.parse(text) as { reasons: Record<string, string> };
        resolve({ status: answer.statusCode ?? 0, reasons });
      });
    });
    asked.once("timeout", () => asked.destroy(new Error("no answer")));
    asked.once("error", () => resolve({ status: 0, reasons: {} }));
  });
}

/** Waits until a daemon says that it is not ready, for a reason that reads like this; gives how long it took, in milliseconds. */
export async function unready(house: House, daemon: Daemon, reason: RegExp, withinMs: number): Promise<number> {
  const since = performance.now();
  await until(`${daemon} is not ready: ${String(reason)}`, withinMs, async () => {
    const { status, reasons } = await readiness(house, daemon);
    return status === 503 && Object.values(reasons).some((each) => reason.test(each));
  });
  return performance.now() - since;
}

/** Ends a process in good order and runs `work` before its supervisor, which is held, starts it again. */
export async function whileAway<T>(house: House, victim: Victim, work: () => T): Promise<T> {
  const supervisor = supervisorOf(house);
  process.kill(supervisor, "SIGSTOP");
  try {
    await end(house.pids(victim));
    return work();
  } finally {
    process.kill(supervisor, "SIGCONT");
  }
}

export type Apart = AsyncDisposable & { pid: number };

/** Runs a daemon in other surroundings: `env` is added to its own, `before` comes before its command. Disposing gives it back. */
export async function apart(
  house: House,
  victim: Daemon,
  { env = {}, before = [], flags = [] }: { env?: Record<string, string>; before?: string[]; flags?: string[] },
): Promise<Apart> {
  const [pid] = house.pids(victim);
  const read = (name: string) =>
    readFileSync(`/proc/${pid}/${name}`, "utf8")
      .split("\0")
      .filter((each) => each !== "");
  const [node, ...args] = read("cmdline") as [string, ...string[]];
  const own = Object.fromEntries(read("environ").map((each) => each.split(/=(.*)/s).slice(0, 2) as [string, string]));
  const supervisor = supervisorOf(house);
  process.kill(supervisor, "SIGSTOP");
  await end(house.pids(victim));
  const [command, ...rest] = [...before, node, ...flags, ...args] as [string, ...string[]];
  const child = spawn(command, rest, { cwd: house.data, env: { ...own, ...env }, stdio: "ignore" });
  return {
    pid: child.pid as number,
    async [Symbol.asyncDispose]() {
      await end([child.pid as number]);
      process.kill(supervisor, "SIGCONT");
      await until(`${victim} is the supervisor's again`, 30_000, () => house.pids(victim).some((each) => each !== pid));
    },
  };
}

/** A disk of this size (as mount says it) of its own for what a process keeps at `path` in the data folder, with what is there now. */
export async function smallDisk(house: House, victim: Victim, path: string, size: string): Promise<SmallDisk> {
  const place = join(house.data, path);
  const disk = join(house.data, `disk-${victim}`);
  await whileAway(house, victim, () => {
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", disk]);
    if (path.endsWith(".db")) {
      for (const name of readdirSync(house.data).filter((each) => each.startsWith(path))) {
        cpSync(join(house.data, name), join(disk, name));
        rmSync(join(house.data, name));
      }
      symlinkSync(join(disk, path), place);
    } else {
      cpSync(place, disk, { recursive: true });
      renameSync(place, `${place}.before`);
      symlinkSync(disk, place);
    }
  });
  const ballast = join(disk, "ballast");
  return {
    fill() {
      const block = Buffer.alloc(64 * 1_024);
      for (const chunk of [block, Buffer.alloc(1_024)]) {
        try {
          for (;;) writeFileSync(ballast, chunk, { flag: "a" });
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        }
      }
    },
    grow: () => void execFileSync("mount", ["-o", "remount,size=64m", disk]),
    empty: () => rmSync(ballast, { force: true }),
    [Symbol.dispose]: () => {
      rmSync(ballast, { force: true });
      execFileSync("umount", ["--lazy", disk]);
    },
  };
}
export type SmallDisk = Disposable & { fill(): void; empty(): void; grow(): void };

function supervisorOf(house: House): number {
  return (JSON.parse(readFileSync(join(house.data, "up.json"), "utf8")) as { pid: number }).pid;
}

async function end(pids: number[]): Promise<void> {
  for (const pid of pids) if (isAlive(pid)) process.kill(pid, "SIGTERM");
  await until("the process has ended", 30_000, () => !pids.some(isAlive));
}

/** One that ended and whose parent has not looked yet is not alive. */
export function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/status`)) return false;
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
}
