// A delegate as a process of its own, with what can be seen of it from outside: its admin listener and its disk.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { freePort } from "./redis.ts";
import type { TestSettings } from "./settings.ts";

export type DelegateProcess = {
  child: ChildProcess;
  /** What `/readyz` says; nothing while nobody listens. */
  readiness(): Promise<{ ready: boolean; reasons: Record<string, string> } | undefined>;
  /** A figure of `/metrics`. */
  figure(name: string): Promise<number>;
  kill(): Promise<void>;
} & AsyncDisposable;
type Options = {
  variables?: Record<string, string>;
  /** How libfaketime tells the process the time, such as `+30m x120`: half an hour later, and 120 times as fast. */
  time?: string;
  /** Give the process back at once, before it says that it is ready. */
  atOnce?: boolean;
};

export async function startProcess(
  settings: TestSettings,
  { variables = {}, time, atOnce = false }: Options = {},
): Promise<DelegateProcess> {
  const main = new URL("../main.ts", import.meta.url).pathname;
  const admin = `127.0.0.1:${await freePort()}`;
  const env = {
    PATH: process.env["PATH"] ?? "",
    ...settings.variables,
    GITSPACES_LOG_LEVEL: "info",
    GITSPACES_ADMIN_LISTEN: admin,
    ...(time === undefined ? {} : { LD_PRELOAD: fakeTime(), FAKETIME: time }),
    ...variables,
  };
  const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "inherit"] });
  const ask = async (path: string) => await fetch(`http://${admin}${path}`);
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  const running = {
    child,
    kill,
    [Symbol.asyncDispose]: kill,
    async readiness() {
      const answer = await ask("/readyz").catch(() => undefined);
      return answer === undefined ? undefined : ((await answer.json()) as never);
    },
    async figure(name: string) {
      const line = (await (await ask("/metrics")).text()).split("\n").find((each) => each.startsWith(`${name} `));
      return Number(line?.split(" ")[1] ?? Number.NaN);
    },
  };
  for await (const line of atOnce ? [] : createInterface({ input: child.stdout })) {
    if (line.includes("delegate ready")) break;
  }
  child.stdout.resume();
  if (child.exitCode !== null) throw new Error(`the delegate ended with ${child.exitCode}`);
  return running;
}

export type JournalRow = { id: string; state: string; answer: string | null; changed_at: number };

/** What a delegate's journal says of its tasks. */
export function journalRows(settings: TestSettings): JournalRow[] {
  const db = new DatabaseSync(join(settings.folder, "delegate.db"), { readOnly: true });
  try {
    return db.prepare("SELECT id, state, answer, changed_at FROM tasks").all() as JournalRow[];
  } finally {
    db.close();
  }
}

function fakeTime(): string {
  const [library] = globSync("/usr/lib/*/faketime/libfaketime.so.1");
  if (library === undefined) throw new Error("libfaketime is missing; as root: apt-get install faketime");
  return library;
}
