// `gateway`: what a request costs in the gateway beside nginx, HAProxy, configurable-http-proxy and http-proxy, in one run.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { median, rounded } from "./figures.ts";
import { type Contender, type Name, names, needPrograms, startContender } from "./gateway/contenders.ts";
import { abandon, type Counts, socketsLeft } from "./gateway/leaks.ts";
import { down, get, type Load, up, upgrade, ws, wsSetup } from "./gateway/load.ts";
import { LOAD_CORE, type Pinned, startPinned } from "./gateway/pinned.ts";
import { cpuMicros, residentBytes } from "./gateway/process-figures.ts";

const cases: Record<string, Load> = { get, down, up, ws, ws_setup: wsSetup };
const WARM_UP_MS = 1_500;
const ROUND_MS = 2_000;
const IDLE = 1_000;
const WARM_IDLE = 100;
const leaving: Counts = { upgrades: 500, refusals: 500, streams: 500, gets: 20_000 };
/** Whoever keeps a request for a client that has left would soon have no room for more. */
const leavingOthers: Counts = { ...leaving, gets: 2_000 };
const leavingBefore: Counts = { upgrades: 200, refusals: 200, streams: 200, gets: 2_000 };
type Backend = Pinned<number>;

/** CPU of each proxy relative to nginx in the same rounds, memory of idle WebSockets, and what leaving clients leave behind. */
export async function gateway(rounds: number): Promise<Record<string, number>> {
  needPrograms();
  spawnSync("taskset", ["-a", "-c", "-p", String(LOAD_CORE), String(process.pid)]);
  const folder = mkdtempSync(join(tmpdir(), "gateway-bench-"));
  try {
    await using backend = await startPinned<number>(LOAD_CORE, "backend.ts", {});
    return {
      ...(await measureCosts(backend, folder, rounds)),
      ...(await measureIdle(backend, folder)),
      ...(await measureLeft(backend, folder)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureCosts(backend: Backend, folder: string, rounds: number): Promise<Record<string, number>> {
  await using opened = new AsyncDisposableStack();
  const contenders = new Map<Name, Contender>();
  for (const name of names) contenders.set(name, opened.use(await startContender(name, backend.said, folder)));
  const figures: Record<string, number> = {};
  for (const [key, load] of Object.entries(cases)) {
    const costs = new Map<Name, number[]>(names.map((name) => [name, []]));
    for (const contender of contenders.values()) await load(contender, WARM_UP_MS);
    for (let round = 0; round < rounds; round++)
      for (const [name, contender] of contenders) costs.get(name)?.push(await cost(load, contender));
    const ofNginx = median(costs.get("nginx") ?? []);
    for (const name of names) {
      const micros = median(costs.get(name) ?? []);
      if (name !== "nginx") figures[`${key}_cpu_vs_nginx${suffix(name)}`] = rounded(micros / ofNginx);
      if (name === "nginx" || name === "ours") figures[`${key}_cpu_us_${name}`] = rounded(micros);
    }
  }
  return figures;
}

/** Microseconds of CPU for one operation. */
async function cost(load: Load, contender: Contender): Promise<number> {
  const before = cpuMicros(contender.pid);
  const done = await load(contender, ROUND_MS);
  return (cpuMicros(contender.pid) - before) / done;
}

/** Megabytes of resident memory for a thousand WebSockets that say nothing, in a fresh process. */
async function measureIdle(backend: Backend, folder: string): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const name of names) {
    await using contender = await startContender(name, backend.said, folder);
    const hold = (count: number) => Promise.all(Array.from({ length: count }, () => upgrade(contender, "/echo")));
    const sockets = await hold(WARM_IDLE);
    await contender.memory?.();
    const before = residentBytes(contender.pid);
    for (let held = 0; held < IDLE; held += WARM_IDLE) sockets.push(...(await hold(WARM_IDLE)));
    await sleep(1_000);
    await contender.memory?.();
    figures[`idle_ws_mb_per_1000${suffix(name)}`] = rounded(
      (((residentBytes(contender.pid) - before) / IDLE) * 1_000) / 1_048_576,
    );
    for (const socket of sockets) socket.destroy();
  }
  return figures;
}

async function measureLeft(backend: Backend, folder: string): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const name of names) {
    await using contender = await startContender(name, backend.said, folder);
    await abandon(contender, leavingBefore);
    const atFirst = await socketsLeft(contender, () => backend.ask({}));
    const before = await contender.memory?.();
    await abandon(contender, name === "ours" || name === "tunnel" || name === "nginx" ? leaving : leavingOthers);
    figures[`sockets_left${suffix(name)}`] = await socketsLeft(contender, () => backend.ask({}));
    const after = await contender.memory?.();
    if (before !== undefined && after !== undefined && atFirst === 0)
      figures[`memory_left_percent${suffix(name)}`] = rounded((after / before - 1) * 100);
  }
  return figures;
}

/** Ours are the figures without one. */
const suffix = (name: Name): string => (name === "ours" ? "" : `_${name}`);
