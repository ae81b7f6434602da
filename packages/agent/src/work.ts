// One task while it is worked on: what it says of itself, how long each stage took, and what must never be shown.
import type { EventKind, GitspaceTask, TaskEvent, Timings } from "@gitspaces/contracts";
import type { Clock } from "@gitspaces/daemon";
import type { Journal } from "./journal.ts";

/** Lines of output wait this long for company, so that a noisy program costs one disk synchronisation for many. */
const GATHER_MS = 30;
const MOST_LOG_LINES = 20_000;
const LONGEST_MESSAGE = 8_192;

type Taken = { task: GitspaceTask; receivedAt: number };
/** Where the events go. */
export type EventBook = Pick<Journal, "append" | "lastSeq">;

export class Work {
  readonly task: GitspaceTask;
  readonly timings: Timings;
  /** Aborted with the failure to answer: at the deadline, or when a later action makes the task pointless. */
  readonly signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #journal: EventBook;
  readonly #clock: Clock;
  readonly #hidden = new Set<string>();
  #pending: TaskEvent[] = [];
  #seq: number;
  #logLines = 0;
  #gathering: NodeJS.Timeout | undefined;
  #flushing: NodeJS.Immediate | undefined;
  #beganAt = performance.now();
  #lapAt = this.#beganAt;
  #over = false;

  constructor({ task, receivedAt }: Taken, journal: EventBook, clock: Clock) {
    this.task = task;
    this.timings = { receivedAt };
    this.signal = this.#stop.signal;
    this.#journal = journal;
    this.#clock = clock;
    this.#seq = journal.lastSeq(task.id);
  }

  abort(reason: unknown): void {
    this.#stop.abort(reason);
  }

  /** From now on this text is not shown in any event or failure, nor as a URL or Base64 would hold it. */
  hide(secret: string): void {
    if (secret.length <= 3) return;
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64")])
      this.#hidden.add(form);
  }

  /** Tells what happened; heard by everyone who follows the task, once it is on the disk. */
  emit(kind: EventKind, message: string, fields?: Record<string, unknown>): void {
    if (this.#over || (kind === "log" && !this.#mayLog())) return;
    const { id, gitspaceId } = this.task;
    const text = this.redact(message).slice(0, LONGEST_MESSAGE);
    const head = { taskId: id, gitspaceId, seq: ++this.#seq, at: this.#clock.now(), kind, message: text };
    this.#pending.push(fields === undefined ? head : { ...head, fields });
    if (kind === "log") this.#gathering ??= setTimeout(() => this.#flush(), GATHER_MS);
    else this.#flushing ??= setImmediate(() => this.#flush());
  }

  #mayLog(): boolean {
    this.#logLines++;
    if (this.#logLines === MOST_LOG_LINES) {
      this.emit("note", `The output went beyond ${MOST_LOG_LINES} lines; the rest is not kept.`);
    }
    return this.#logLines < MOST_LOG_LINES;
  }

  /** A text without what is hidden. */
  redact(text: string): string {
    let shown = text;
    for (const secret of this.#hidden) shown = shown.replaceAll(secret, "[secret]");
    return shown;
  }

  #take(): TaskEvent[] {
    clearTimeout(this.#gathering);
    clearImmediate(this.#flushing);
    this.#gathering = undefined;
    this.#flushing = undefined;
    const events = this.#pending;
    this.#pending = [];
    return events;
  }

  #flush(): void {
    const events = this.#take();
    try {
      this.#journal.append(this.task.id, events);
    } catch (error) {
      // From a timer it would end the agent. What can not be told is not gone on with; the answer brings these events along.
      this.#pending.unshift(...events);
      this.abort(error);
    }
  }

  /** Ends the telling; gives the events that were not yet journalled. */
  finish(): TaskEvent[] {
    this.#over = true;
    return this.#take();
  }

  /** The work begins now; what it waited for its turn is no stage of it. */
  begin(): void {
    this.#beganAt = performance.now();
    this.#lapAt = this.#beganAt;
  }

  /** Does a stage and notes its milliseconds, from the end of the stage before: the stages add up to the total. */
  async stage<T>(name: string, work: () => Promise<T> | T): Promise<T> {
    try {
      return await work();
    } finally {
      const now = performance.now();
      this.timings[name] = now - this.#lapAt;
      this.timings["total"] = now - this.#beganAt;
      this.#lapAt = now;
    }
  }
}
