// Tasks for agents: handed to the gateway, which finds the Gitspace; the agent's events and answer stream back.
import { Agent } from "node:https";
import type { IncomingMessage } from "node:http";
import { StringDecoder } from "node:string_decoder";
import {
  type Answer,
  type Failure,
  failedAnswer,
  failure,
  FailureError,
  GITSPACE_HEADER,
  type GitspaceTask,
  Problem,
  TaskStreamLine,
} from "@gitspaces/contracts";
import { backoff, failpoint, type Logger } from "@gitspaces/daemon";
import { clientTls, retireAgent, type TlsIdentity } from "@gitspaces/daemon/certificates";
import { open, readText } from "./exchange.ts";
import { gatewayPoints } from "./failpoints.ts";
import type { Assignment, Workplace } from "./workplace.ts";

const SUBMIT_LIMIT_MS = 15_000;
/** An agent pings more often than this while it works. */
const SILENCE_LIMIT_MS = 60_000;
const LONGEST_LINE = 1024 * 1024;

export type GatewayTasks = Workplace<GitspaceTask> & {
  /** Gives the certificate to use from now on; until the first one is there, tasks wait. */
  setIdentity(identity: TlsIdentity): void;
  /** @throws while there is no certificate. */
  check(): void;
  [Symbol.dispose](): void;
};

/** Relays tasks to the gateway at `url`. */
export function openGatewayTasks(url: string, log: Logger): GatewayTasks {
  const first = Promise.withResolvers<void>();
  let agent: Agent | undefined;
  const accepted = new Set<string>();
  const retired = new Set<Agent>();
  const retire = (last: Agent): void => {
    retireAgent(last);
    for (const each of retired) if (Object.keys(each.sockets).length === 0) retired.delete(each);
    retired.add(last);
  };

  async function connection(signal: AbortSignal): Promise<Agent> {
    if (agent === undefined) await unlessAborted(first.promise, signal);
    if (agent === undefined) throw new Error("there is no certificate");
    return agent;
  }

  /** Gives the answer when the stream reached it, nothing when it ended before. */
  async function attempt(assignment: Assignment<GitspaceTask>, signal: AbortSignal): Promise<Answer | undefined> {
    const { task, raw } = assignment;
    const through = await connection(signal);
    const headers = { [GITSPACE_HEADER]: task.gitspaceId, "content-type": "application/json" };
    const within = AbortSignal.any([signal, AbortSignal.timeout(SUBMIT_LIMIT_MS)]);
    const submitted = await open({
      method: "POST",
      url: new URL("/tasks", url),
      agent: through,
      headers,
      body: JSON.stringify(raw),
      signal: within,
    });
    const text = await readText(submitted);
    if (submitted.statusCode !== 202) throw refusal(submitted.statusCode ?? 0, text);
    accepted.add(task.id);
    failpoint(gatewayPoints.submitted);
    const events = new URL(`/tasks/${task.id}/events?after=${assignment.lastEvent()}`, url);
    const stream = await open({ method: "GET", url: events, agent: through, headers, signal });
    // An agent that does not know the task any more is given it again by the next attempt.
    if (stream.statusCode !== 200) throw new Error(`no events: ${stream.statusCode} ${await readText(stream)}`);
    return await readStream(stream, assignment);
  }

  return {
    async follow(assignment, signal) {
      const { task } = assignment;
      const pause = backoff({ firstMs: 50, maxMs: 2_000, signal });
      try {
        for (;;) {
          const before = assignment.lastEvent();
          try {
            const answer = await attempt(assignment, signal);
            if (answer !== undefined) return answer;
          } catch (error) {
            signal.throwIfAborted();
            const final = finalFailure(error);
            if (final !== undefined) return failedAnswer(task, final);
            log.debug({ taskId: task.id, reason: (error as Error).message }, "the agent is not reached yet");
          }
          if (assignment.lastEvent() > before) pause.reset();
          await pause.wait();
        }
      } finally {
        accepted.delete(task.id);
      }
    },

    async withdraw(taskId) {
      return !accepted.has(taskId);
    },

    async release() {},

    setIdentity(identity) {
      // What a renewed certificate takes the place of may still carry a task's events.
      if (agent !== undefined) retire(agent);
      // A resumed TLS session skips the check of the peer's name, hence none are kept.
      agent = new Agent({
        keepAlive: true,
        scheduling: "lifo",
        maxCachedSessions: 0,
        ...clientTls(identity, { role: "gateway" }),
      });
      first.resolve();
    },

    check() {
      if (agent === undefined) throw new Error("not enrolled yet: there is no certificate");
    },

    [Symbol.dispose]() {
      agent?.destroy();
      for (const each of retired) each.destroy();
    },
  };
}

/** Hands events on as they come; ends with the answer, or when the connection does. */
async function readStream(
  response: IncomingMessage,
  assignment: Assignment<GitspaceTask>,
): Promise<Answer | undefined> {
  const silence = setTimeout(() => response.destroy(new Error("the agent went silent")), SILENCE_LIMIT_MS);
  const decoder = new StringDecoder();
  let rest = "";
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      silence.refresh();
      const lines = (rest + decoder.write(chunk)).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > LONGEST_LINE) throw new Error("the agent sent a line without an end");
      const read = lines.filter((line) => line.trim() !== "").map((line) => TaskStreamLine.parse(JSON.parse(line)));
      const events = read.flatMap((line) => ("event" in line ? [line.event] : []));
      if (events.length > 0) assignment.onEvents(events);
      const last = read.find((line) => "answer" in line);
      failpoint(gatewayPoints.streamRead);
      if (last?.answer.taskId === assignment.task.id) return last.answer;
    }
    return undefined;
  } finally {
    clearTimeout(silence);
    response.destroy();
  }
}

function refusal(status: number, text: string): FailureError {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  const problem = Problem.safeParse(body);
  if (problem.success) {
    const { code, retry, detail, field, details } = problem.data;
    return new FailureError(failure(code, detail, { retry, ...(field && { field }), ...(details && { details }) }));
  }
  const retry = status >= 500 || status === 429 ? "later" : "never";
  return new FailureError(failure("internal", `The gateway answered ${status} without a reason.`, { retry }));
}

/** A conflict stays one however often it is asked: the same id was used for another task. */
function finalFailure(error: unknown): Failure | undefined {
  if (!(error instanceof FailureError)) return undefined;
  const { code, retry } = error.failure;
  return retry !== "later" || code === "conflict" ? error.failure : undefined;
}

async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason as Error);
  signal.throwIfAborted();
  signal.addEventListener("abort", abort, { once: true });
  await Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener("abort", abort));
}
