// The delegate's half of the delegate protocol: paths, headers, bodies, time limits. What an answer means is for the callers.
import { Agent as PlainAgent } from "node:http";
import { Agent as SecureAgent } from "node:https";
import {
  RegisterResponse,
  TaskEventsResponse,
  WireTask,
  type RegisterRequest,
  type TaskEvent,
} from "@gitspaces/contracts";
import type { AccountToken } from "./account-token.ts";
import { open, readText } from "./exchange.ts";

/** Short, so that a control plane that takes requests and answers none is noticed before the next one is due. */
const HEARTBEAT_LIMIT_MS = 8_000;

/** The control plane answered, and not with success. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;

  constructor(status: number, text: string) {
    super(`the control plane answered ${status}: ${text.slice(0, 500)}`);
    this.status = status;
  }
}

/** Whether an error is the control plane's answer with one of these statuses. */
export function refusedWith(error: unknown, ...statuses: number[]): boolean {
  return error instanceof Refusal && statuses.includes(error.status);
}

export type ControlPlane = ReturnType<typeof openControlPlane>;
type Options = {
  url: string;
  accountId: string;
  token: AccountToken;
  /** PEM; without it the authorities that Node knows. */
  ca?: string | undefined;
  /** Hears how each call ended. */
  onOutcome?: (error?: unknown) => void;
  /** Hears when the control plane says that it answered. */
  onDate?: (date: string | undefined) => void;
};
type Call = {
  method: "GET" | "POST" | "PUT";
  path: string;
  query?: Record<string, string>;
  body?: string;
  limitMs: number;
};

/** Speaks to the control plane at `url`. Each call throws `Refusal` for an answer that is not 2xx, other errors for none at all. */
export function openControlPlane(given: Options) {
  const { url, accountId, token, ca, onOutcome = () => undefined, onDate = () => undefined } = given;
  const base = url.replace(/\/+$/, "");
  const options = { keepAlive: true, scheduling: "lifo" as const };
  const agent = base.startsWith("https:")
    ? new SecureAgent({ ...options, ...(ca === undefined ? {} : { ca }) })
    : new PlainAgent(options);

  async function once(wanted: Call, signal: AbortSignal): Promise<string> {
    try {
      const text = await exchange(wanted, signal);
      onOutcome();
      return text;
    } catch (error) {
      if (!signal.aborted) onOutcome(error);
      throw error;
    }
  }

  async function exchange({ method, path, query = {}, body, limitMs }: Call, signal: AbortSignal): Promise<string> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    const response = await open({
      method,
      url: new URL(`${base}${path}?${new URLSearchParams({ accountId, ...query }).toString()}`),
      agent,
      headers: { Authorization: `Delegate ${await token.current()}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body }),
      signal: within,
    });
    onDate(response.headers.date);
    const text = await readText(response);
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) throw new Refusal(status, text);
    return text;
  }

  /** A refused token may only be old, so the question is asked once more with a new one. */
  async function call(wanted: Call, signal: AbortSignal): Promise<string> {
    try {
      return await once(wanted, signal);
    } catch (error) {
      if (!refusedWith(error, 401, 403)) throw error;
      token.renew();
      return await once(wanted, signal);
    }
  }

  const segment = encodeURIComponent;
  return {
    /** Gives the delegate's id. */
    async register(body: RegisterRequest, signal: AbortSignal): Promise<string> {
      const path = "/api/agent/delegates/register";
      const text = await call({ method: "POST", path, body: JSON.stringify(body), limitMs: 15_000 }, signal);
      return RegisterResponse.parse(JSON.parse(text)).resource.delegateId;
    },

    async heartbeat(body: RegisterRequest, signal: AbortSignal): Promise<void> {
      const path = "/api/agent/delegates/heartbeat-with-polling";
      await call({ method: "POST", path, body: JSON.stringify(body), limitMs: HEARTBEAT_LIMIT_MS }, signal);
    },

    /** Waits up to `waitMs` for something to do, when the control plane knows how to hold a request. */
    async taskEvents(delegateId: string, waitMs: number, signal: AbortSignal): Promise<TaskEventsResponse> {
      const path = `/api/agent/delegates/${segment(delegateId)}/task-events`;
      const query = { waitMs: String(waitMs) };
      const text = await call({ method: "GET", path, query, limitMs: waitMs + 10_000 }, signal);
      return text.trim() === "" ? {} : TaskEventsResponse.parse(JSON.parse(text));
    },

    /** Gives the task, or nothing when it went to another delegate. The holder of a task gets it again. */
    async acquire(delegateId: string, taskId: string, signal: AbortSignal): Promise<WireTask | undefined> {
      const path = `/api/agent/v2/delegates/${segment(delegateId)}/tasks/${segment(taskId)}/acquire`;
      const query = { delegateInstanceId: delegateId };
      const text = await call({ method: "PUT", path, query, limitMs: 10_000 }, signal);
      if (text.trim() === "") return undefined;
      const task = WireTask.parse(JSON.parse(text));
      return task.id === "" ? undefined : task;
    },

    /** Sends an answer, byte for byte as it was stored. */
    async answer(
      to: { path: string; query: Record<string, string> },
      body: string,
      signal: AbortSignal,
    ): Promise<void> {
      await call({ method: "POST", ...to, body, limitMs: 15_000 }, signal);
    },

    async events(taskId: string, events: TaskEvent[], signal: AbortSignal): Promise<void> {
      const path = `/api/agent/v2/tasks/${segment(taskId)}/events`;
      await call({ method: "POST", path, body: JSON.stringify({ events }), limitMs: 15_000 }, signal);
    },

    [Symbol.dispose]() {
      agent.destroy();
    },
  };
}
