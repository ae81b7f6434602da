// What a delegate can do: register, be told of tasks, acquire one, send its events, answer it.
import { Answer, fail, failedAnswer, failure, type EventBatch, type RegisterRequest } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import { v7 as uuidv7 } from "uuid";
import type { SigningKey } from "../keys.ts";
import { type Collaborators, writeEvent } from "../lifecycle/act.ts";
import { noteConnected, settle } from "../lifecycle/settle.ts";
import type { DelegateRow } from "../store/delegates.ts";
import type { TaskRow } from "../store/tasks.ts";
import type { Vault } from "../vault.ts";
import { envelope } from "./envelope.ts";
import type { Offers } from "./offers.ts";
import type { Presence } from "./presence.ts";

export type With = Collaborators & { presence: Presence; offers: Offers; vault: Vault; signing: SigningKey };

const KEPT_LOG_LINES = 20_000;

/** Registers a delegate, or notes that it lives; gives its id. One that we forgot is known again. */
export function register(with_: With, request: RegisterRequest): string {
  const { store, presence, clock } = with_;
  const id = request.delegateId ?? uuidv7();
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(id)) {
    throw fail("bad_request", "delegateId should be letters, digits, _ and -.", { field: "delegateId" });
  }
  const known = store.delegates.get({ id });
  const name = request.delegateName ?? known?.name ?? id;
  const tags = request.tags === undefined ? (known?.tags ?? "[]") : JSON.stringify(request.tags);
  const types =
    request.supportedTaskTypes === undefined ? (known?.types ?? "[]") : JSON.stringify(request.supportedTaskTypes);
  if (known?.name !== name || known.tags !== tags || known.types !== types) {
    store.step("Register", () => store.delegates.put({ id, name, tags, types, at: clock.now() }));
  }
  presence.beat(id, request.freeSlots, store.tasks.heldBy({ holder: id })?.count ?? 0);
  store.bells.tasks.ring();
  return id;
}

/** @throws {FailureError} `not_found` when it never registered here. */
export function known({ store, presence }: With, id: string): DelegateRow {
  const delegate = store.delegates.get({ id });
  if (delegate === undefined) throw fail("not_found", "This delegate is not known; register first.");
  presence.heard(id);
  return delegate;
}

/** What there is to do for a delegate. With `waitMs` it is held until something is there. */
export async function poll(with_: With, delegate: DelegateRow, waitMs: number, signal: AbortSignal) {
  const { store, offers, clock } = with_;
  const until = clock.now() + waitMs;
  for (;;) {
    const seen = store.bells.tasks.count;
    const tasks = waitMs === 0 ? offers.list(delegate) : offers.untold(delegate);
    const cancelled = offers.cancelled(delegate);
    const leftMs = until - clock.now();
    if (tasks.length > 0) failpoint("control-plane.afterOffer");
    if (tasks.length > 0 || cancelled.length > 0 || leftMs <= 0 || signal.aborted) return { tasks, cancelled };
    await store.bells.tasks.next(seen, Math.min(leftMs, Math.max(10, offers.tellAgainMs(delegate))), signal);
  }
}

/** Hands a task to one delegate. The holder may ask again. @throws {FailureError} `conflict` when somebody else has it. */
export async function acquire(
  with_: With,
  delegate: DelegateRow,
  taskId: string,
): Promise<{ task: TaskRow; envelope: unknown }> {
  const { store, clock } = with_;
  const before = taskOf(with_, taskId);
  if (!isFor(before, delegate)) throw notYours();
  const text = await envelope(with_, before);
  store.step("Acquire", () => {
    const at = clock.now();
    if (store.tasks.acquire({ id: taskId, holder: delegate.id, envelope: text, at }) === 0) return;
    const gitspace = store.gitspaces.get({ id: before.gitspace });
    if (gitspace?.task !== taskId) return;
    if (before.type === "vm.provision") store.gitspaces.holdsVm({ id: before.gitspace });
    writeEvent(
      store,
      { gitspace: before.gitspace, instance: before.instance, task: taskId, at },
      {
        kind: "delegate_task_submitted",
        message: `The delegate ${delegate.name} has the task ${before.type}`,
        fields: { type: before.type },
      },
    );
  });
  const task = taskOf(with_, taskId);
  if (task.state !== "acquired" || !isFor(task, delegate)) throw notYours();
  return { task, envelope: JSON.parse(task.envelope ?? text) };
}

function isFor(task: TaskRow, delegate: DelegateRow): boolean {
  return task.state === "offered" || (task.state === "acquired" && task.holder === delegate.id);
}

function notYours() {
  return fail("conflict", "The task is not on offer any more.", { retry: "never" });
}

export function taskOf({ store }: Collaborators, id: string): TaskRow {
  const task = store.tasks.get({ id });
  if (task === undefined) throw fail("not_found", "There is no such task.");
  return task;
}

/** Stores events of a task; a number that was there before is left out. */
export function takeEvents(with_: With, taskId: string, { events }: EventBatch): void {
  const { store } = with_;
  const task = taskOf(with_, taskId);
  const { gitspace, instance } = task;
  const wrong = events.find((event) => event.taskId !== taskId || event.gitspaceId !== gitspace);
  if (wrong !== undefined)
    throw fail("bad_request", `The event ${wrong.seq} belongs to another task.`, { field: "events" });
  store.step("Events", () => {
    noteConnected(with_, task, events[0]?.at);
    for (const { seq, at, kind, message, fields } of events) {
      if (kind === "log") store.logs.add({ gitspace, task: taskId, seq, out: message, time: Math.round(at) });
      else {
        const text = fields === undefined ? null : JSON.stringify(fields);
        store.events.add({ gitspace, instance, task: taskId, seq, kind, message, at: Math.round(at), fields: text });
      }
    }
    const last = store.logs.last({ gitspace })?.pos ?? 0;
    if (last > KEPT_LOG_LINES) store.logs.removeBefore({ gitspace, pos: last - KEPT_LOG_LINES });
    store.bells.touch("events");
    store.bells.touch("logs");
  });
}

export type Response = {
  code: "OK" | "FAILED" | "TIMEOUT" | "UNKNOWN" | "RETRY_ON_OTHER_DELEGATE";
  data: unknown;
  error?: string;
};

/** Takes the answer to a task: the first one counts. A task handed back goes to another delegate, if there is one. */
export function takeAnswer(
  with_: With,
  taskId: string,
  delegateId: string,
  response: Response,
): "first" | "repeat" | "late" | "offered" {
  const { store, offers, presence } = with_;
  presence.heard(delegateId);
  const answer = answerIn(taskOf(with_, taskId), response);
  return store.step("Answer", () => {
    const task = taskOf(with_, taskId);
    if (response.code === "RETRY_ON_OTHER_DELEGATE" && task.state === "acquired" && task.holder === delegateId) {
      const refused = JSON.stringify([...(JSON.parse(task.refused) as string[]), delegateId]);
      if (offers.hasTaker({ ...task, refused })) {
        store.tasks.offerAgain({ id: taskId, refused });
        store.bells.touch("tasks");
        return "offered";
      }
    }
    return settle(with_, taskId, answer, delegateId);
  });
}

/** Our answer is the response's data; a delegate that does not speak it says only whether it worked. */
function answerIn(task: TaskRow, { code, data, error }: Response): Answer {
  const parsed = Answer.safeParse(data);
  if (!parsed.success) {
    const said = error === undefined ? "" : `: ${error.slice(0, 1_000)}`;
    const what =
      code === "TIMEOUT"
        ? failure("timeout", `${task.type} took too long${said}`)
        : failure("internal", `${task.type} failed${said}`);
    return failedAnswer(task, what);
  }
  if (parsed.data.taskId !== task.id || parsed.data.generation !== task.generation) {
    throw fail("bad_request", "The answer belongs to another task.", { field: "data.taskId" });
  }
  return parsed.data;
}
