// The VM's own Docker engine: started and stopped by a command of the image, asked through the `docker` program.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import { type Ended, run } from "../command.ts";
import { answersPing } from "./engine-socket.ts";

export type EngineParts = {
  /** Starts and stops the engine; its one argument is `start` or `stop`. Without one an engine is expected at `host`. */
  command: string | undefined;
  /** `unix:///path/of/the/socket` */
  host: string;
  /** The environment of the `docker` program and of `command`; nothing of the person's. */
  env: Record<string, string>;
  log: Logger;
  /** Where the engine writes what it does; its end is told when it does not answer. */
  logFile?: string;
  /** How long the engine may take to answer after its start. */
  readyDeadlineMs?: number;
};
export type DockerCall = {
  signal: AbortSignal;
  onLine?: (line: string) => void;
  /** Added to the engine's own environment. */
  env?: Record<string, string>;
  /** A text for the program to read as a file; see `LENT_FILE`. */
  lent?: string;
};

const LOOK_EVERY_MS = 50;
const READY_DEADLINE_MS = 60_000;
const COMMAND_DEADLINE_MS = 60_000;
const TOLD_LINES = 8;
const LONGEST_ANSWER = 32 * 1024 * 1024;

export class Engine {
  readonly #parts: EngineParts;
  /** What the `docker` program and the devcontainer CLI need in order to find this engine. */
  readonly env: Record<string, string>;
  #starting: Promise<void> | undefined;
  #lastWords: string[] = [];

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.env = { ...parts.env, DOCKER_HOST: parts.host };
  }

  /** Whether this VM has the engine for itself and decides on its life. */
  get own(): boolean {
    return this.#parts.command !== undefined;
  }

  /** Sees that the engine is being started; returns at once. `ready` tells how it went. One that runs goes on. */
  start(): void {
    this.#starting ??= this.#command("start")
      .catch((error: unknown) => this.#parts.log.error({ err: error }, "the engine could not be started"))
      .finally(() => {
        this.#starting = undefined;
      });
  }

  /** Whether the engine answers now. */
  async answers(): Promise<boolean> {
    return await answersPing(this.#parts.host);
  }

  /** Resolves when the engine answers; starts it where that is ours. @throws {FailureError} `vm_unreachable` with the engine's last words. */
  async ready(signal: AbortSignal): Promise<void> {
    const deadlineMs = this.#parts.readyDeadlineMs ?? READY_DEADLINE_MS;
    const until = performance.now() + deadlineMs;
    for (let look = 0; ; look++) {
      signal.throwIfAborted();
      if (await this.answers()) return;
      if (performance.now() > until) throw this.#silent(deadlineMs);
      // A start that failed is tried again, a second later.
      if (look % (1_000 / LOOK_EVERY_MS) === 0) this.start();
      await sleep(LOOK_EVERY_MS);
    }
  }

  #silent(deadlineMs: number): Error {
    const words = [...this.#lastWords, ...lastLines(this.#parts.logFile)].slice(-TOLD_LINES);
    const said = words.length === 0 ? "it said nothing" : `it said: ${words.join(" | ")}`;
    const seconds = Math.round(deadlineMs / 1_000);
    const message = `The Docker engine of this VM did not answer at ${this.#parts.host} within ${seconds} s; ${said}.`;
    return fail("vm_unreachable", `${message} Stop the Gitspace and start it again to get another VM.`, {
      details: { output: words.join("\n") },
    });
  }

  /** Ends the engine and waits for its end; an engine that is not ours goes on. @throws {FailureError} `internal` */
  async stop(): Promise<void> {
    await this.#starting;
    await this.#command("stop");
  }

  async #command(verb: "start" | "stop"): Promise<void> {
    const { command: program, log } = this.#parts;
    if (program === undefined) return;
    const since = performance.now();
    const signal = AbortSignal.timeout(COMMAND_DEADLINE_MS);
    const { code, output } = await run({ program, args: [verb], cwd: "/", env: this.env, signal });
    this.#lastWords = output;
    if (code !== 0) {
      throw fail(
        "internal",
        `The engine's ${verb} ended with ${code ?? "a signal"}: ${output.slice(-TOLD_LINES).join(" | ")}`,
      );
    }
    log.info({ verb, tookMs: Math.round(performance.now() - since) }, "engine command done");
  }

  /** Runs `docker` with these arguments; gives its exit code and last lines. What an abort throws is the abort's reason. */
  async docker(args: readonly string[], { env, ...call }: DockerCall): Promise<Ended> {
    return await run({ program: "docker", args, cwd: "/", env: { ...this.env, ...env }, ...call });
  }

  /** What `docker` with these arguments writes to its standard output, whole. @throws {FailureError} `internal` with its complaint. */
  async ask(args: readonly string[], signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    return await new Promise((resolve, reject) => {
      const options = { cwd: "/", env: this.env, signal, maxBuffer: LONGEST_ANSWER };
      execFile("docker", [...args], options, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else if (signal.aborted) reject(signal.reason as Error);
        else reject(fail("internal", `docker ${args[0] ?? ""}: ${stderr.trim() || error.message}`, { cause: error }));
      });
    });
  }
}

function lastLines(file: string | undefined): string[] {
  try {
    return file === undefined ? [] : readFileSync(file, "utf8").trim().split("\n").slice(-TOLD_LINES);
  } catch {
    return [];
  }
}
