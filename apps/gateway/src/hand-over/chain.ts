// A gateway's life as one of a chain of processes: it takes the place of the one before, and gives it to the next when it is told to.
// The first of a chain stays where nobody can be told of another main process: it is the anchor that its supervisor knows. What it
// is told it passes on, and when the current process dies it starts another one.
import { setTimeout as sleep } from "node:timers/promises";
import { toFailure } from "@gitspaces/contracts";
import { backoff, type Logger } from "@gitspaces/daemon";
import { Crew, Identity, isAlive, signalTo, tooOld } from "./crew.ts";
import { Doors } from "./doors.ts";
import { ANCHOR } from "./messages.ts";
import { findPredecessor } from "./predecessor.ts";
import type { Seat } from "./seat.ts";
import { serviceManager } from "./service-manager.ts";
import { startSuccessor } from "./successor.ts";

const WATCH_MS = 250;
const LOOK_MS = 50;
/** A successor hears the control plane before it opens, or goes on with what is kept. */
const CURRENT_MS = 5_000;
const OTHERS_END_MS = 24_000;

type Settings = { dataFolder: string; handoverMs: number; handoverReadyMs: number; oldProcesses: number };
/** What a hand-over asks of the gateway. */
export type Served = { yield: () => Promise<void>; endAll: () => Promise<void> };

export class Chain implements AsyncDisposable {
  readonly seat: Seat;
  readonly #settings: Settings;
  readonly #log: Logger;
  readonly #crew: Crew;
  readonly #doors: Doors;
  readonly #manager;
  readonly #predecessor;
  readonly #anchor: Identity | undefined;
  readonly #turn = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<void>();
  readonly #yields: (() => Promise<void> | void)[] = [];
  readonly #stop = new AbortController();
  #served: Served | undefined;
  #isHandingOver = false;

  constructor(settings: Settings, log: Logger, env: NodeJS.ProcessEnv = process.env) {
    this.#settings = settings;
    this.#log = log;
    this.#crew = new Crew(settings.dataFolder);
    this.#manager = serviceManager(env, log);
    this.#anchor = readAnchor(env);
    this.#predecessor = findPredecessor(env, () => {
      log.error("the process before ended during the hand-over");
      process.exit(1);
    });
    this.#doors = new Doors({
      mayBecomeFree: () => this.#crew.others().length > 0,
      ...(this.#predecessor === undefined ? {} : { take: this.#predecessor.take }),
    });
    const becomesCurrentMs = this.#predecessor === undefined ? 0 : CURRENT_MS;
    this.seat = { doors: this.#doors, turn: this.#turn.promise, becomesCurrentMs };
    // A signal that comes before anything serves is no reason to end.
    process.on("SIGHUP", () => void this.#hangUp());
    process.on("SIGUSR2", () => void this.#endAll());
  }

  /** Resolves when this process handed over and the last one it served has gone. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** What has to be done before another process writes. */
  onYield(act: () => Promise<void> | void): void {
    this.#yields.push(act);
  }

  /** Everything is open: takes the place. */
  async take(served: Served): Promise<void> {
    this.#served = served;
    this.#crew.tell("current");
    await this.#predecessor?.relieve();
    this.#turn.resolve();
    if (this.#predecessor === undefined) await this.#manager.ready(process.pid, "serving");
    for (const member of tooOld(this.#crew.others(), this.#settings.oldProcesses)) {
      this.#log.info({ old: member.pid }, "there are too many old processes: the oldest one's connections are closed");
      signalTo(member, "SIGUSR2");
    }
    if (this.#anchor !== undefined) void this.#watchAnchor(this.#anchor);
  }

  async #hangUp(): Promise<void> {
    const current = this.#crew.others().find(({ role }) => role === "current");
    if (this.#crew.role === "old" && current !== undefined) return signalTo(current, "SIGHUP");
    if (this.#crew.role !== "current" || this.#isHandingOver || this.#stop.signal.aborted) {
      this.#log.warn("asked to hand over at a moment when it can not");
      return;
    }
    this.#isHandingOver = true;
    await this.#manager.reloading();
    try {
      const pid = await this.#handOver();
      this.#log.info({ successor: pid }, "handed over");
      void this.#growOld();
    } catch (error) {
      const reason = toFailure(error).message;
      this.#log.error({ err: error, reason }, "the hand-over failed, this process serves on");
      this.#crew.tell("current", { at: Date.now(), reason });
      await this.#manager.ready(process.pid, `serving; the hand-over failed: ${reason}`);
    } finally {
      this.#isHandingOver = false;
    }
  }

  async #handOver(): Promise<number> {
    const deadlineMs = this.#settings.handoverReadyMs;
    const find = this.#doors.find.bind(this.#doors);
    const successor = await startSuccessor({ find, anchor: this.#anchorOfNext(), deadlineMs });
    const { pid } = successor.identity;
    // The main process is another one before this one takes nobody new: whichever dies from here on, somebody is told to start anew.
    await this.#manager.ready(pid, "serving");
    if (this.#stop.signal.aborted || !successor.isAlive()) {
      successor.kill();
      throw new Error("The new process ended as soon as it served.");
    }
    this.#doors.leave();
    this.#crew.tell("old");
    await this.#served?.yield();
    for (const act of this.#yields) await act();
    successor.release();
    return pid;
  }

  /** Where a service manager is told of the new main process, nobody has to stay. */
  #anchorOfNext(): Identity | undefined {
    return this.#manager.isThere ? undefined : (this.#anchor ?? this.#crew.self);
  }

  get #isAnchor(): boolean {
    return !this.#manager.isThere && this.#anchor === undefined;
  }

  async #growOld(): Promise<void> {
    const late = setTimeout(() => void this.#endAll(), this.#settings.handoverMs);
    if (this.#isAnchor) void this.#watchCurrent();
    await this.#doors.emptied();
    clearTimeout(late);
    if (!this.#isAnchor) this.#over.resolve();
  }

  /** Goodbye to whoever an old process serves. */
  async #endAll(): Promise<void> {
    if (this.#crew.role !== "old") return;
    await this.#served?.endAll();
    this.#doors.empty();
  }

  /** As the anchor: when the current process has died, starts one that opens the doors anew. */
  async #watchCurrent(): Promise<void> {
    const { signal } = this.#stop;
    const pause = backoff({ firstMs: 200, maxMs: 10_000, signal });
    for (let missed = 0; !signal.aborted; ) {
      await sleep(WATCH_MS, undefined, { signal }).catch(() => undefined);
      // Looked at twice: between two of them nobody may be current for a moment.
      missed = this.#crew.others().some(({ role }) => role === "current") ? 0 : missed + 1;
      if (missed < 2 || signal.aborted) continue;
      this.#log.error("the current process is gone, another one is started");
      try {
        const deadlineMs = this.#settings.handoverReadyMs;
        const successor = await startSuccessor({ find: () => undefined, anchor: this.#crew.self, deadlineMs });
        successor.release();
        pause.reset();
      } catch (err) {
        this.#log.error({ err }, "no process could be started to take the place");
        await pause.wait().catch(() => undefined);
      }
      missed = 0;
    }
  }

  /** Without its anchor nobody supervises this process: it leaves the doors to the one that its supervisor starts. */
  async #watchAnchor(anchor: Identity): Promise<void> {
    const { signal } = this.#stop;
    while (isAlive(anchor)) {
      await sleep(WATCH_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted || this.#crew.role !== "current") return;
    }
    this.#log.error("the process that was supervised is gone: this one takes nobody new");
    this.#doors.leave();
    this.#crew.tell("old");
    await this.#served?.yield();
    for (const act of this.#yields) await act();
    setTimeout(() => void this.#endAll(), this.#settings.handoverMs).unref();
    await this.#doors.emptied();
    this.#over.resolve();
  }

  /** The process that its supervisor knows. */
  get #isMain(): boolean {
    return this.#isAnchor || (this.#anchor === undefined && this.#crew.role === "current");
  }

  /** The end begins; when this is the main process, the others end too. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    if (!this.#isMain) return;
    await this.#manager.stopping();
    for (const member of this.#crew.others()) signalTo(member, "SIGTERM");
  }

  /** After everything else: resolves when those who end with this process have ended. */
  async othersEnded(): Promise<void> {
    const until = performance.now() + OTHERS_END_MS;
    while (this.#isMain && this.#crew.others().length > 0 && performance.now() < until) await sleep(LOOK_MS);
    this.#crew.forget();
  }
}

function readAnchor(env: NodeJS.ProcessEnv): Identity | undefined {
  const text = env[ANCHOR] ?? "";
  return text === "" ? undefined : Identity.parse(JSON.parse(text));
}
