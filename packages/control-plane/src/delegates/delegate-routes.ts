// The delegate protocol's endpoints, as existing delegates and managers speak it, with our additions.
import { EventBatch, fail, parse, RegisterRequest, RunnerTaskResponse, TaskResponse } from "@gitspaces/contracts";
import type { FastifyRequest } from "fastify";
import { type App, left } from "../http.ts";
import { checkDelegateToken } from "./delegate-token.ts";
import { acquire, known, poll, register, takeAnswer, takeEvents, type With } from "./delegates.ts";

type Options = With & { key: Buffer; accountId: string; closing: AbortSignal };

const LONGEST_WAIT_MS = 55_000;

/** Registers the endpoints; each checks the account and its token first. */
export async function delegateRoutes(root: App, { key, accountId, closing, ...with_ }: Options): Promise<void> {
  await root.register(async (app) => {
    app.addHook("onRequest", async (request) => {
      const account = query(request, "accountId") ?? query(request, "accountID");
      if (account !== accountId) throw unauthorised();
      await checkDelegateToken(request.headers.authorization, key, accountId).catch(() => {
        throw unauthorised();
      });
    });

    app.post("/api/agent/delegates/register", async (request) => {
      const body = parse(RegisterRequest, request.body, "register request");
      requireAccount(body.accountId, accountId);
      return { resource: { delegateId: register(with_, body) } };
    });

    app.post("/api/agent/delegates/heartbeat-with-polling", async (request) => {
      const body = parse(RegisterRequest, request.body, "heartbeat");
      requireAccount(body.accountId, accountId);
      if (body.delegateId === undefined)
        throw fail("bad_request", "A heartbeat names its delegateId.", { field: "delegateId" });
      register(with_, body);
      return {};
    });

    // How many builds a delegate takes is told by its free slots; this older way of telling it is accepted and not used.
    app.post("/api/agent/delegates/register-delegate-capacity/:delegateId", async () => ({}));

    app.get("/api/agent/delegates/:delegateId/task-events", async (request, reply) => {
      const delegate = known(with_, parameter(request, "delegateId"));
      const asked = Number(query(request, "waitMs") ?? 0);
      const waitMs = Number.isFinite(asked) ? Math.min(Math.max(0, asked), LONGEST_WAIT_MS) : 0;
      const { tasks, cancelled } = await poll(with_, delegate, waitMs, left(reply, closing));
      return {
        delegateTaskEvents: tasks.map((task) => ({
          accountId,
          delegateTaskId: task.id,
          sync: false,
          taskType: task.type,
        })),
        ...(cancelled.length === 0 ? {} : { cancelledTaskIds: cancelled }),
      };
    });

    app.put("/api/agent/v2/delegates/:delegateId/tasks/:taskId/acquire", async (request) => {
      const delegate = known(with_, parameter(request, "delegateId"));
      const { task, envelope } = await acquire(with_, delegate, parameter(request, "taskId"));
      return {
        id: task.id,
        type: task.type,
        data: envelope,
        async: true,
        runnerResponse: false,
        timeout: Math.max(1, task.deadline - with_.clock.now()),
        logging: { token: "", abstractions: {} },
        delegate: { id: delegate.id, instance_id: delegate.id, token: "" },
        capabilities: [],
      };
    });

    app.post("/api/agent/v2/tasks/:taskId/events", async (request) => {
      takeEvents(with_, parameter(request, "taskId"), parse(EventBatch, request.body, "events"));
      return {};
    });

    app.post("/api/agent/v2/tasks/:taskId/delegates/:delegateId", async (request) => {
      const { id, code, data } = parse(TaskResponse, request.body, "task response");
      const taskId = parameter(request, "taskId");
      if (id !== taskId) throw fail("bad_request", "The response belongs to another task.", { field: "id" });
      takeAnswer(with_, taskId, parameter(request, "delegateId"), { code, data });
      return {};
    });

    app.post("/api/executions/:taskId/response", async (request) => {
      const { id, code, data, error } = parse(RunnerTaskResponse, request.body, "task response");
      const taskId = parameter(request, "taskId");
      if (id !== taskId) throw fail("bad_request", "The response belongs to another task.", { field: "id" });
      const read = { code, data: decode(data), ...(error === undefined ? {} : { error }) };
      takeAnswer(with_, taskId, query(request, "delegateId") ?? "unknown", read);
      return {};
    });
  });
}

function unauthorised() {
  return fail("denied", "The account or the delegate token is wrong, or the token has expired.", {
    details: { authenticate: "Delegate" },
  });
}

function requireAccount(said: string, accountId: string): void {
  if (said !== accountId)
    throw fail("bad_request", "The body names another account than the token.", { field: "accountId" });
}

function query(request: FastifyRequest, name: string): string | undefined {
  const value = (request.query as Record<string, unknown>)[name];
  return typeof value === "string" ? value : undefined;
}

function parameter(request: FastifyRequest, name: string): string {
  return String((request.params as Record<string, unknown>)[name]);
}

/** Base64 of JSON bytes; what is not that is no answer of ours. */
function decode(data: string | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(data ?? "", "base64").toString("utf8"));
  } catch {
    return undefined;
  }
}
