// The IDE, supervised: started before anyone asks, warmed by a first request, started again when it dies.
import { EventEmitter, once } from "node:events";
import { request } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "@gitspaces/contracts";
import { backoff, type Logger } from "@gitspaces/daemon";

export type IdeState = "starting" | "ready" | "failed";

/** A way to run an IDE. */
export interface IdeRunner {
  /** Why there is no point in trying, or nothing. */
  complaint(): string | undefined;
  /** Begins a life of the IDE, or joins one that goes on; `onLine` gets what it says, at its end at the latest. */
  live(onLine: (line: string) => void): IdeLife | Promise<IdeLife>;
  /** @throws {FailureError} `vm_unreachable` while it does not listen. */
  dial(): Promise<Socket>;
}
export type IdeLife = {
  /** Settles when the IDE has ended; rejects when it never began. */
  readonly ended: Promise<void>;
  /** Ends it politely, then by force, with its helpers. */
  end(): Promise<void>;
  /** Lets it live on without us, where it can. */
  leave(): Promise<void>;
};
type IdeParts = { runner: IdeRunner; log: Logger };

const ATTEMPTS = 4;
const LOOK_EVERY_MS = 20;
const READY_DEADLINE_MS = 60_000;
const KEPT_LINES = 40;

export class Ide implements AsyncDisposable {
  readonly #parts: IdeParts;
  readonly #changed = new EventEmitter().setMaxListeners(0);
  #state: IdeState = "starting";
  #output: string[] = [];
  #running: { stop: AbortController; ended: Promise<void> } | undefined;
  #leaves = false;

  constructor(parts: IdeParts) {
    this.#parts = parts;
  }

  get state(): IdeState {
    return this.#state;
  }

  /** Sees that the IDE runs; one that had failed for good is tried anew. */
  start(): void {
    if (this.#running !== undefined) return;
    this.#leaves = false;
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
    const said = this.#output.findLast((line) => /error/i.test(line)) ?? this.#output.at(-1);
    throw fail("ide_failed", `The IDE did not start: ${said ?? "it said nothing"}`, {
      details: { output: this.#output.join("\n") },
    });
  }

  /** Ends the IDE with everything that serves it. */
  async stop(): Promise<void> {
    this.#leaves = false;
    await this.#endSupervision();
  }

  /** Watches over it no longer; an IDE that can live without its agent does, until the next agent joins it. */
  async leave(): Promise<void> {
    this.#leaves = true;
    await this.#endSupervision();
  }

  async #endSupervision(): Promise<void> {
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
    const { log, runner } = this.#parts;
    const pause = backoff({ firstMs: 250, maxMs: 5_000, signal });
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const complaint = runner.complaint();
      if (complaint !== undefined) {
        this.#output = [complaint];
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
    const { runner, log } = this.#parts;
    this.#output = [];
    const keep = (line: string) => {
      if (this.#output.push(line) > KEPT_LINES) this.#output.shift();
      log.debug({ line }, "IDE output");
    };
    const over = new AbortController();
    const since = performance.now();
    let life: IdeLife;
    try {
      life = await runner.live(keep);
    } catch (error) {
      keep(error instanceof Error ? error.message : String(error));
      return false;
    }
    const ended = life.ended.catch((error: unknown) => keep(String(error))).then(() => over.abort());
    const stop = () => void (this.#leaves ? life.leave() : life.end());
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      await warm(runner, AbortSignal.any([over.signal, AbortSignal.timeout(READY_DEADLINE_MS)]));
      this.#become("ready");
      log.info({ tookMs: Math.round(performance.now() - since) }, "IDE ready");
    } catch {
      if (!over.signal.aborted) await life.end();
    }
    const wasReady = this.#state === "ready";
    await ended;
    signal.removeEventListener("abort", stop);
    return wasReady;
  }
}

/**
 * Asks for the workbench page until it is answered, and goes where it leads: to the folder that is to be opened, if one is known
 * already. An empty window instead (`ew`) would make the IDE forget that folder.
 */
async function warm(runner: IdeRunner, signal: AbortSignal): Promise<void> {
  for (let path = "/"; ; ) {
    const { status, location } = await answerOf(runner, path, signal);
    if (status === 200) return;
    const target = path === "/" ? pathOf(location) : undefined;
    path = target ?? "/";
    if (target === undefined) await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}

function pathOf(location: string | undefined): string | undefined {
  if (location === undefined || !URL.canParse(location, "http://localhost/")) return undefined;
  const { pathname, search } = new URL(location, "http://localhost/");
  return pathname + search;
}

type IdeAnswer = { status: number; location?: string | undefined };

async function answerOf(runner: IdeRunner, path: string, signal: AbortSignal): Promise<IdeAnswer> {
  signal.throwIfAborted();
  const socket = await runner.dial().catch(() => undefined);
  if (socket === undefined) return { status: 0 };
  return await new Promise((resolve) => {
    const createConnection = () => socket;
    const asking = request({ createConnection, path, signal, headers: { host: "localhost" } }, (response) => {
      response.resume();
      response.once("close", () => {
        socket.destroy();
        resolve({ status: response.statusCode ?? 0, location: response.headers.location });
      });
    });
    asking.once("error", () => {
      socket.destroy();
      resolve({ status: 0 });
    });
    asking.end();
  });
}
