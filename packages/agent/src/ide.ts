// The IDE as a supervised child: started before anyone asks, warmed by a first request, started again when it dies.
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "@gitspaces/contracts";
import { backoff, type Logger } from "@gitspaces/daemon";
import type { ChildEnvironment } from "./child-environment.ts";
import { readLines, signalGroup } from "./command.ts";
import { makeIdeFolders } from "./home-folder.ts";
import type { IdeCommand } from "./ide-command.ts";

export type IdeState = "starting" | "ready" | "failed";
type IdeParts = { command: IdeCommand; home: string; env: ChildEnvironment; log: Logger };

const ATTEMPTS = 4;
const LOOK_EVERY_MS = 20;
const READY_DEADLINE_MS = 60_000;
const STOP_GRACE_MS = 3_000;
const KEPT_LINES = 40;

export class Ide implements AsyncDisposable {
  readonly #parts: IdeParts;
  readonly #changed = new EventEmitter().setMaxListeners(0);
  #state: IdeState = "starting";
  #output: string[] = [];
  #running: { stop: AbortController; ended: Promise<void> } | undefined;

  constructor(parts: IdeParts) {
    this.#parts = parts;
  }

  get state(): IdeState {
    return this.#state;
  }

  get socket(): string {
    return this.#parts.command.socket;
  }

  /** Sees that the IDE runs; one that had failed for good is tried anew. */
  start(): void {
    if (this.#running !== undefined) return;
    const stop = new AbortController();
    this.#become("starting");
    const ended = this.#supervise(stop.signal)
      .catch((error: unknown) => {
        if (!stop.signal.aborted) this.#parts.log.error({ err: error }, "IDE is no longer supervised");
      })
      .finally(() => {
        this.#running = undefined;
        if (!stop.signal.aborted) this.#become("failed");
      });
    this.#running = { stop, ended };
  }

  /** Resolves when the workbench page is answered. @throws {FailureError} `ide_failed` with the IDE's last output. */
  async ready(signal: AbortSignal): Promise<void> {
    while (this.#state === "starting")
      await once(this.#changed, "change", { signal }).catch((error: unknown) => {
        signal.throwIfAborted();
        throw error;
      });
    if (this.#state === "ready") return;
    throw fail("ide_failed", `The IDE did not start: ${this.#output.at(-1) ?? "it said nothing"}`, {
      details: { output: this.#output.join("\n") },
    });
  }

  /** Ends the IDE and everything in its process group. */
  async stop(): Promise<void> {
    const running = this.#running;
    running?.stop.abort();
    await running?.ended;
    this.#become("starting");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #become(state: IdeState): void {
    this.#state = state;
    this.#changed.emit("change");
  }

  async #supervise(signal: AbortSignal): Promise<void> {
    const { log, command } = this.#parts;
    const pause = backoff({ firstMs: 250, maxMs: 5_000, signal });
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (!existsSync(command.entry)) {
        this.#output = [`the image has no code-server at ${command.entry}`];
        return;
      }
      const since = performance.now();
      const wasReady = await this.#live(signal);
      signal.throwIfAborted();
      log.warn({ attempt, output: this.#output.slice(-5) }, "IDE ended");
      this.#become("starting");
      // One that had worked for a while begins again with a clean record.
      if (wasReady && performance.now() - since > READY_DEADLINE_MS) {
        attempt = 0;
        pause.reset();
      }
      if (attempt < ATTEMPTS) await pause.wait();
    }
  }

  /** One life of the IDE; whether it ever was ready. */
  async #live(signal: AbortSignal): Promise<boolean> {
    const child = this.#spawn();
    const over = new AbortController();
    const ended = once(child, "exit").then(
      () => over.abort(),
      (error: unknown) => {
        this.#output.push(String(error));
        over.abort();
      },
    );
    const stop = () => void endChild(child);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const since = performance.now();
    try {
      await warm(this.socket, AbortSignal.any([over.signal, AbortSignal.timeout(READY_DEADLINE_MS)]));
      this.#become("ready");
      this.#parts.log.info({ tookMs: Math.round(performance.now() - since) }, "IDE ready");
    } catch {
      if (!over.signal.aborted) await endChild(child);
    }
    const wasReady = this.#state === "ready";
    await ended;
    signal.removeEventListener("abort", stop);
    // Its helpers have no purpose without it.
    signalGroup(child, "SIGKILL");
    return wasReady;
  }

  #spawn(): ChildProcess {
    const { command, env, home, log } = this.#parts;
    makeIdeFolders(home);
    rmSync(command.socket, { force: true });
    writeFileSync(command.configuration, "auth: none\n", { mode: 0o600 });
    this.#output = [];
    const child = spawn(command.program, command.args, {
      cwd: "/",
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const keep = (line: string) => {
      if (this.#output.push(line) > KEPT_LINES) this.#output.shift();
      log.debug({ line }, "IDE output");
    };
    for (const stream of [child.stdout, child.stderr]) readLines(stream, keep).catch(() => {});
    return child;
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  signalGroup(child, "SIGTERM");
  const late = setTimeout(() => signalGroup(child, "SIGKILL"), STOP_GRACE_MS);
  await once(child, "exit");
  clearTimeout(late);
}

/** Asks for the workbench page until it is answered. `ew` is an empty window, so that no folder is remembered from this. */
async function warm(socketPath: string, signal: AbortSignal): Promise<void> {
  while ((await statusOf(socketPath, "/?ew=true", signal)) !== 200) await sleep(LOOK_EVERY_MS, undefined, { signal });
}

async function statusOf(socketPath: string, path: string, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  return await new Promise((resolve) => {
    const asking = request({ socketPath, path, signal, headers: { host: "localhost" }, agent: false }, (response) => {
      response.resume();
      response.once("close", () => resolve(response.statusCode ?? 0));
    });
    asking.once("error", () => resolve(0));
    asking.end();
  });
}
