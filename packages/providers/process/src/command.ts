// Programs of the machine, called with argument lists and never through a shell.
import { spawn } from "node:child_process";
import { fail } from "@gitspaces/contracts";

export type CommandOptions = {
  input?: string;
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Ours, unless told. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
};

/**
 * Runs a program to its end and gives what it printed. `timeoutMs` defaults to 30 s.
 * @throws {FailureError} `internal` with the program's own last words; `disk_full` when it says so.
 */
export async function run(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await attempt(program, args, options);
  if (code === 0) return stdout;
  const said = stderr.trim().split("\n").slice(-3).join(" ").slice(-500);
  const full = /No space left on device|Disk quota exceeded/.test(said);
  throw fail(full ? "disk_full" : "internal", `${program} ${args.slice(0, 4).join(" ")} failed (${code}): ${said}`);
}

/** Ours, with the folders of system programs (a plain `su` leaves them out) and messages in one language. */
export function programEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin`, LC_ALL: "C" };
}

/** The same, for a program whose failure is an answer. */
export async function attempt(
  program: string,
  args: readonly string[],
  { input = "", signal, timeoutMs = 30_000, env = programEnvironment(), cwd }: CommandOptions = {},
): Promise<{ code: number | string; stdout: string; stderr: string }> {
  const child = spawn(program, args, {
    env,
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ["pipe", "pipe", "pipe"],
    timeout: timeoutMs,
    ...(signal ? { signal } : {}),
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      if (output[name].length < 1_000_000) output[name] += text;
    });
  }
  // A program that ends without reading its input is no error of ours.
  child.stdin.on("error", () => child.stdin.destroy());
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on("error", (cause) =>
      reject(fail("internal", `${program} could not be run: ${cause.message}. Is its package installed?`, { cause })),
    );
    child.on("close", (code, killedBy) => resolve({ code: code ?? killedBy ?? "unknown", ...output }));
  });
}
