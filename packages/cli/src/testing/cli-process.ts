// Runs the real command as a process, through its launcher, with an environment of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { TOKEN } from "./stand-in.ts";

export const launcher = resolve(import.meta.dirname, "../../../../bin/gitspaces");
const compiled = process.env["NODE_COMPILE_CACHE"] ?? join(tmpdir(), "gitspaces-cli-compiled");

export type Ran = { code: number | null; signal: NodeJS.Signals | null; out: string; err: string };
export type Running = { ended: Promise<Ran>; kill: (signal: NodeJS.Signals) => void };

/** A home folder that nothing else uses. */
export function makeHome() {
  const folder = mkdtempSync(join(tmpdir(), "gitspaces-cli-"));
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
  return { folder, tokenFile, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

export type CliHome = ReturnType<typeof makeHome>;

/** Starts the command in a home; `env` adds to an otherwise empty environment. */
export function startCli(
  home: CliHome,
  args: string[],
  options: { env?: NodeJS.ProcessEnv; input?: string; command?: string } = {},
): Running {
  const child = spawn(options.command ?? launcher, args, {
    cwd: home.folder,
    env: { PATH: process.env["PATH"], HOME: home.folder, NODE_COMPILE_CACHE: compiled, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  const ended = Promise.all([once(child, "close"), text(child.stdout), text(child.stderr)]).then(
    ([[code, signal], out, err]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      out,
      err,
    }),
  );
  return { ended, kill: (signal) => void child.kill(signal) };
}
