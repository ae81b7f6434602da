// A whole system that a test may hurt: its processes are killed and stopped from outside, its failpoints armed by files.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Arms, openArms } from "./arms.ts";
import { type Api, apiClient } from "../e2e/api.ts";
import { commitFiles, startGitServer } from "../e2e/git-server.ts";
import type { TestProvider } from "../e2e/provider.ts";
import { newDataFolder, removeSystem, startSystem, type System } from "../e2e/system.ts";
import { type Ground, groundOf } from "./ground.ts";
import { isStopped } from "./process-table.ts";

export const daemons = ["control-plane", "delegate", "runner", "gateway"] as const;
export type Daemon = (typeof daemons)[number];
export type Victim = Daemon | "redis" | "agent";
type Listed = { name: string; pid: number };

export type House = AsyncDisposable & {
  readonly data: string;
  readonly system: System;
  /** What its VMs are. */
  readonly ground: Ground;
  readonly api: Api;
  /** The URL, for Gitspaces, of a repository made of these files. */
  repository(name: string, files: Record<string, string>): string;
  /** Arms a failpoint once: in the daemons, and in the agent of every VM there is. */
  arm(name: string, action?: "kill" | "stop" | "error"): void;
  disarm(name: string): void;
  hasPassed(name: string): boolean;
  readonly arms: Arms;
  /** The process of a daemon or of Redis now, or the agents' of all VMs. */
  pids(victim: Victim): number[];
  signal(victim: Victim, signal: NodeJS.Signals): void;
  /** Waits until a process of the victim stands still: a failpoint is passed a moment before its signal arrives. */
  stopped(victim: Victim): Promise<void>;
  /** Waits until the daemon says that it can do its work. */
  ready(daemon: Daemon, withinMs?: number): Promise<void>;
};
type Options = {
  env?: Record<string, string>;
  pool?: string;
  vmHostPorts?: number[];
  provider?: TestProvider["kind"];
};

/** Opens a system of its own in a new data folder. `env` reaches `bin/up`, `pool` is its pool.yml, `provider` what its VMs are. */
export async function openHouse(options: Options = {}): Promise<House> {
  const { env = {}, pool, vmHostPorts = [], provider = "process" } = options;
  await using opened = new AsyncDisposableStack();
  const data = newDataFolder();
  const ground = groundOf(provider);
  const arms = opened.use(openArms(data, ground));
  if (pool !== undefined) writeFileSync(join(data, "pool.yml"), pool);
  const git = opened.use(await startGitServer());
  opened.defer(() => removeSystem(data, provider));
  const system = await startSystem({
    data,
    vmHostPorts: [git.port, ...vmHostPorts],
    env: { GITSPACES_PROVIDER: provider, GITSPACES_FAILPOINT_FOLDER: arms.folder, ...env },
  });
  const close = opened.move();
  const house: House = {
    data,
    system,
    ground,
    api: apiClient(system.up.ui, system.adminToken),
    repository: (name, files) => `http://${system.up.host_address}:${git.port}${commitFiles(git.root, name, files)}`,
    arm: (name, action) => arms.arm(name, action),
    disarm: (name) => arms.disarm(name),
    hasPassed: (name) => arms.hasPassed(name),
    arms,
    pids(victim) {
      if (victim === "agent") return ground.agentPids(data);
      const listed = JSON.parse(readFileSync(join(data, "processes.json"), "utf8")) as Listed[];
      return listed.filter(({ name }) => name === victim).map(({ pid }) => pid);
    },
    signal(victim, signal) {
      for (const pid of house.pids(victim)) send(pid, signal);
    },
    async stopped(victim) {
      await until(`${victim} stands still`, 10_000, () => house.pids(victim).some(isStopped));
    },
    async ready(daemon, withinMs = 30_000) {
      const port = system.ready.ports[`${daemon.replace("-", "_")}_admin`];
      await until(`${daemon} is ready`, withinMs, async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok);
    },
    [Symbol.asyncDispose]: async () => {
      for (const victim of daemons) house.signal(victim, "SIGCONT");
      await close.disposeAsync();
    },
  };
  return house;
}

/** Asks until it is so. An error counts as "not yet" and is told when the time is over. */
export async function until(what: string, withinMs: number, isSo: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (let last: unknown; ; await sleep(50)) {
    try {
      if (await isSo()) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`It did not come true within ${withinMs / 1_000} s: ${what}`, { cause: last });
    }
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself meanwhile.
  }
}
