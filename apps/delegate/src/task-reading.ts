// What an acquired task asks for, read once; and the wire form of its answer.
import {
  type Answer,
  type Failure,
  type FailureCode,
  failedAnswer,
  failure,
  parse,
  type RunnerTaskResponse,
  Task,
  TaskHead,
  type TaskResponse,
  taskTypes,
  toFailure,
  type WireTask,
} from "@gitspaces/contracts";

const DEFAULT_LIFE_MS = 60 * 60_000;

export type ReadTask = { task: Task } | { failure: Failure };

/** The task inside a wire task, or why it can not be done. */
export function readTask(wire: WireTask): ReadTask {
  if (!(taskTypes as string[]).includes(wire.type)) {
    const known = taskTypes.join(", ");
    return {
      failure: failure("unsupported", `This delegate does not know tasks of type ${wire.type}, only ${known}.`),
    };
  }
  try {
    const task = parse(Task, wire.data, "task");
    if (task.id === wire.id && task.type === wire.type) return { task };
    return { failure: failure("bad_request", "The task's envelope names another id or type than its wire form.") };
  } catch (error) {
    return { failure: toFailure(error) };
  }
}

/** When a task must be answered, in milliseconds since the epoch: its own deadline, else the wire's time limit, else an hour. */
export function deadlineOf(wire: WireTask, now: number): number {
  const head = TaskHead.safeParse(wire.data);
  if (head.success) return head.data.deadline;
  return now + (wire.timeout !== undefined && wire.timeout > 0 ? wire.timeout : DEFAULT_LIFE_MS);
}

/** The failed answer of any acquired task, also of one whose envelope could not be read. */
export function failedWireAnswer(wire: WireTask, reason: Failure): Answer {
  const head = TaskHead.safeParse(wire.data);
  return failedAnswer({ id: wire.id, generation: head.success ? head.data.generation : 1 }, reason);
}

const runnerCodes: Partial<Record<FailureCode, RunnerTaskResponse["code"]>> = { timeout: "TIMEOUT" };

/** The body that tells the control plane; it is stored and sent as these bytes. */
export function answerBody(wire: WireTask, answer: Answer): string {
  const failed = answer.outcome === "failed" ? answer.failure : undefined;
  const { id, type } = wire;
  if (wire.runnerResponse !== true) {
    const response: TaskResponse = { id, type, data: answer, code: failed === undefined ? "OK" : "FAILED" };
    return JSON.stringify(response);
  }
  const data = Buffer.from(JSON.stringify(answer)).toString("base64");
  const response: RunnerTaskResponse =
    failed === undefined
      ? { id, type, data, code: "OK" }
      : { id, type, data, code: runnerCodes[failed.code] ?? "FAILED", error: failed.message };
  return JSON.stringify(response);
}
