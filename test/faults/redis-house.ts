// What befalls the Redis of a house, and what must not change by it: homes, and what people see who have a Gitspace open.
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { follow, type Jar } from "../e2e/session.ts";
import { type House, until } from "./house.ts";
import { connect, look } from "./scene.ts";
import { type Expected, violations } from "./verdict.ts";

/** Everything that Redis holds is gone, its connections stay. */
export async function wipe(house: House): Promise<void> {
  await using redis = connect(house);
  await redis.flushall();
}

/** Kills Redis, does `work` on its files, and only then lets the supervisor start it again. */
export async function whileRedisIsDead(house: House, work: (folder: string) => void): Promise<void> {
  const { pid } = JSON.parse(readFileSync(join(house.data, "up.json"), "utf8")) as { pid: number };
  const [redis] = house.pids("redis");
  process.kill(pid, "SIGSTOP");
  try {
    house.signal("redis", "SIGKILL");
    await until("Redis is dead", 10_000, () => redis === undefined || isDead(redis));
    work(join(house.data, "redis", "appendonlydir"));
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

/** Its parent is stopped, so it stays as a zombie. */
function isDead(pid: number): boolean {
  return !existsSync(`/proc/${pid}/status`) || /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
}

/** Cuts bytes off the end of the append-only file, as a power loss does. Gives how many were there before. */
export function cutTail(folder: string, bytes: number): number {
  const file = readdirSync(folder)
    .filter((name) => name.endsWith(".incr.aof"))
    .map((name) => join(folder, name))
    .at(-1);
  if (file === undefined) throw new Error(`there is no append-only file in ${folder}`);
  const { size } = statSync(file);
  truncateSync(file, Math.max(0, size - bytes));
  return size;
}

export function removeAll(folder: string): void {
  rmSync(folder, { recursive: true });
}

/** Somebody who has a Gitspace open: signed in once, asking for its page again and again. */
export async function visitor(house: House, id: string) {
  const jar: Jar = new Map();
  const page = `http://${id}.gitspaces.localhost:${house.system.portBase + 1}/`;
  const ask = async () => (await follow(page, jar)).status;
  await follow(await house.api.signInLink(id), jar);
  const refused: number[] = [];
  const leave = new AbortController();
  let served = 0;
  const asking = (async () => {
    while (!leave.signal.aborted) {
      const status = await ask().catch(() => 0);
      if (status === 200) served++;
      else refused.push(status);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  return {
    ask,
    /** What was answered instead of the page, so far. */
    refused: refused as readonly number[],
    served: () => served,
    async [Symbol.asyncDispose]() {
      leave.abort();
      await asking;
    },
  };
}

/** A file in the home of a running Gitspace; `check` throws when it is not the very same file any more. */
export async function keepsake(house: House, id: string): Promise<{ check(): Promise<void> }> {
  const folder = async () => {
    const vm = (await look(house)).homes.find((home) => home.id === id)?.attachedTo ?? undefined;
    return vm === undefined ? join(house.data, "homes", id) : join(house.data, "vms", vm, "home", "dev");
  };
  const at = await folder();
  const text = `kept for ${id}`;
  writeFileSync(join(at, "keepsake"), text);
  const inodes = (place: string) => [statSync(place).ino, statSync(join(place, "keepsake")).ino];
  const before = inodes(at);
  return {
    async check() {
      const now = await folder();
      if (readFileSync(join(now, "keepsake"), "utf8") !== text)
        throw new Error(`I3: the keepsake of ${id} was changed`);
      if (inodes(now).join() !== before.join()) throw new Error(`I3: the home of ${id} is another folder`);
    },
  };
}

/** Waits until nothing is wrong, and fails with what is. */
export async function settled(house: House, expected: Expected, warm: number, withinMs = 60_000): Promise<void> {
  let wrong: string[] = [];
  await until("everything has settled", withinMs, async () => {
    wrong = violations(await look(house), expected, warm);
    return wrong.length === 0;
  }).catch((cause: unknown) => {
    throw new Error(`not settled within ${withinMs / 1_000} s:\n${wrong.join("\n")}`, { cause });
  });
}
