// The reference implementation as a child process in a process group of its own: its log line by line, its outcome at the end.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { userInfo } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { signalGroup } from "../command.ts";
import { signalMarked } from "./marked-processes.ts";

export type CliCall = {
  args: readonly string[];
  /** The whole environment: `${localEnv:…}` of a repository reads it. */
  env: Record<string, string>;
  signal: AbortSignal;
  onLine: (line: string) => void;
};
export type Outcome = Record<string, unknown> & { outcome: "success" | "error" };

/** Everything that is started here carries this name in its environment, with the workspace it works for. */
export const RAISING = "GITSPACES_RAISING";
const KILL_AFTER_MS = 3_000;
const CLOSE_MS = 1_000;

/**
 * What the makers of the reference implementation warn of: certain features. It asks a server of theirs at every call, even where no
 * feature is used, and waits for the answer; where none is used, the answer is put where it would be kept.
 */
export function answerManifest(temporaryFolder: string): void {
  const folder = join(temporaryFolder, `devcontainercli-${userInfo().username}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(
    join(folder, "control-manifest.json"),
    JSON.stringify({ disallowedFeatures: [], featureAdvisories: [] }),
  );
}

const program = createRequire(import.meta.url)
  .resolve("@devcontainers/cli/package.json")
  .replace(/package\.json$/, "devcontainer.js");

/** Ends what an agent that was killed has left at work for this workspace. */
export function endOrphans(workspace: string): void {
  signalMarked(`${RAISING}=${workspace}`, "SIGKILL");
}

/**
 * Runs it to its end. An abort ends its whole process group, politely first; then the abort's reason is thrown.
 * One that says nothing of use has failed with what it said last.
 */
export async function devcontainer({ args, env, signal, onLine }: CliCall): Promise<Outcome> {
  signal.throwIfAborted();
  const child = spawn(process.execPath, [program, ...args, "--log-format", "json"], {
    cwd: "/",
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const abort = () => endGroup(child);
  signal.addEventListener("abort", abort, { once: true });
  let last = "";
  createInterface({ input: child.stderr }).on("line", (line) => {
    last = line;
    onLine(line);
  });
  let answer = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    answer += chunk;
  });
  try {
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    const [code] = (await once(child, "exit")) as [number | null];
    // A process of its own that outlives it may hold its pipes; what it said itself has come by then.
    await Promise.race([closed, sleep(CLOSE_MS, undefined, { ref: false })]);
    signal.throwIfAborted();
    return readOutcome(answer) ?? { outcome: "error", message: `It ended with ${code ?? "a signal"}: ${last}` };
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function readOutcome(text: string): Outcome | undefined {
  try {
    const value = JSON.parse(text.trim().split("\n").at(-1) ?? "") as Outcome;
    return value.outcome === "success" || value.outcome === "error" ? value : undefined;
  } catch {
    return undefined;
  }
}

function endGroup(child: ChildProcess): void {
  signalGroup(child, "SIGTERM");
  setTimeout(() => signalGroup(child, "SIGKILL"), KILL_AFTER_MS).unref();
}
