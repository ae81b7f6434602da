// Takes tasks into the journal and sees that each gets its one answer: in order, before its deadline, across restarts.
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Answer, fail, failedAnswer, FailureError, GitspaceTask, parse, toFailure } from "@gitspaces/contracts";
import { verifyTask } from "@gitspaces/contracts/signing";
import type { Clock, Logger } from "@gitspaces/daemon";
import type { TlsIdentity } from "@gitspaces/daemon/certificates";
import type { IdentityStore } from "./identity.ts";
import type { Journal, JournalledTask } from "./journal.ts";
import { ruleOnTask, supersedes } from "./task-rule.ts";
import { Work } from "./work.ts";

/** Does a task's work and gives its result. */
export type Perform = (work: Work) => Promise<Record<string, unknown>>;
type Desk = { journal: Journal; identities: IdentityStore; perform: Perform; clock: Clock; log: Logger };

const SQLITE_FULL = 13;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** The reason of an abort that answers nothing: the agent leaves, and goes on with the task when it is back. */
const leaving = Symbol("leaving");

export class TaskDesk implements AsyncDisposable {
  readonly #desk: Desk;
  readonly #working = new Map<Work, Promise<void>>();
  /** Tasks that change the Gitspace are done one after the other. */
  #line: Promise<void> = Promise.resolve();

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  /** Goes on with the tasks that an earlier life of this agent took and did not answer. */
  resume(): void {
    for (const taken of this.#desk.journal.unanswered()) this.#begin(taken);
  }

  /**
   * Takes a task; when this resolves it is in the journal.
   * @throws {FailureError} `bad_request`, `denied`, `conflict`, `superseded` or `expired`: then nothing was taken.
   */
  async accept(body: unknown, keys: TlsIdentity["controlPlaneKeys"], receivedAt: number): Promise<string> {
    const { journal, identities, clock, log } = this.#desk;
    const task = parse(GitspaceTask, body, "task");
    await verifyTask(task, keys);
    const known = journal.find(task.id)?.task;
    const { identity } = identities;
    const ruling = ruleOnTask(task, { identity, known, generation: journal.generation, now: clock.now() });
    if ("refuse" in ruling) {
      const ids = { taskId: task.id, gitspaceId: task.gitspaceId, code: ruling.refuse.code };
      if (ruling.alarm !== undefined) log.error({ ...ids, alarm: true }, ruling.alarm);
      throw new FailureError(ruling.refuse);
    }
    if (ruling.take === "new") {
      journal.add(task, receivedAt);
      log.info({ taskId: task.id, type: task.type, generation: task.generation }, "task taken");
      this.#begin({ task, receivedAt, answer: undefined });
    }
    return task.id;
  }

  #begin(taken: JournalledTask): void {
    for (const present of this.#working.keys()) {
      if (supersedes(taken.task, present.task)) present.abort(fail("superseded", "A later action took over."));
    }
    const work = new Work(taken, this.#desk.journal, this.#desk.clock);
    // The one who brought the task hears that it was taken before the work takes the processor.
    const done = nextTurn()
      .then(async () => await this.#see(work))
      .catch((err: unknown) => this.#desk.log.error({ err, taskId: work.task.id }, "task could not be answered"))
      .finally(() => this.#working.delete(work));
    this.#working.set(work, done);
  }

  async #see(work: Work): Promise<void> {
    const leftMs = work.task.deadline - this.#desk.clock.now();
    const late = () => work.abort(fail("timeout", "The deadline passed before the work was done."));
    const timer = leftMs <= 0 ? late() : setTimeout(late, Math.min(leftMs, LONGEST_TIMER_MS));
    const performing = work.task.type === "gitspace.status" ? this.#perform(work) : this.#inLine(work);
    try {
      // At the deadline the answer goes out at once; the work may need a moment longer to let go.
      await Promise.race([performing.then((result) => this.#answer(work, result)), aborted(work.signal)]);
    } catch (error) {
      this.#fail(work, error);
    } finally {
      clearTimeout(timer ?? undefined);
    }
    await performing.catch(() => {});
  }

  async #perform(work: Work): Promise<Record<string, unknown>> {
    work.signal.throwIfAborted();
    work.begin();
    return await this.#desk.perform(work);
  }

  #inLine(work: Work): Promise<Record<string, unknown>> {
    const turn = this.#line.then(async () => await this.#perform(work));
    this.#line = turn.then(
      () => {},
      () => {},
    );
    return turn;
  }

  #answer(work: Work, result: Record<string, unknown>): void {
    work.signal.throwIfAborted();
    this.#close(work, {
      taskId: work.task.id,
      generation: work.task.generation,
      outcome: "ok",
      result,
      timings: work.timings,
    });
  }

  #fail(work: Work, error: unknown): void {
    if (work.signal.aborted && work.signal.reason === leaving) return;
    const cause = meaningOf(work.signal.aborted ? work.signal.reason : error);
    if (!(cause instanceof FailureError)) {
      this.#desk.log.error({ err: cause, taskId: work.task.id }, "task failed for a reason unknown");
    }
    const failure = toFailure(cause);
    const told = { ...failure, message: work.redact(failure.message) };
    this.#close(work, failedAnswer(work.task, told, work.timings));
  }

  #close(work: Work, answer: Answer): void {
    this.#desk.journal.answer(work.task.id, work.finish(), answer);
    const code = answer.outcome === "failed" ? { code: answer.failure.code } : {};
    this.#desk.log.info({ taskId: work.task.id, outcome: answer.outcome, ...code }, "task answered");
  }

  /** Lets go of all work; what has no answer yet is gone on with at the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const work of this.#working.keys()) work.abort(leaving);
    await Promise.all(this.#working.values());
  }
}

/** A full disk is nobody's mistake inside: it has a code of its own. */
function meaningOf(error: unknown): unknown {
  const { code = "", errcode } = (error ?? {}) as { code?: string; errcode?: number };
  const full = ["ENOSPC", "EDQUOT"].includes(code) || (code === "ERR_SQLITE_ERROR" && errcode === SQLITE_FULL);
  return full ? fail("disk_full", "The disk of this Gitspace is full.", { cause: error }) : error;
}

async function aborted(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  return await new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
