// /api/v1/gitspaces: make, list, show, act on and delete Gitspaces.
import {
  ChangeGitspace,
  CreateGitspace,
  Gitspace,
  GitspaceAction,
  GitspaceActivity,
  ListeningPorts,
  TaskView,
} from "@gitspaces/contracts";
import { z } from "zod";
import { type App, left } from "../http.ts";
import {
  accept,
  activityOf,
  type ApiParts,
  askStatus,
  create,
  list,
  setAutoStop,
  taskAfter,
  visible,
} from "./gitspaces.ts";
import { portsOf } from "../shared.ts";
import { GitspaceParams, IssuedTask, ListQuery, Nothing, problems, TaskParams, TaskQuery } from "./schemas.ts";
import { gitspaceView, taskView } from "./views.ts";

const FRESH_PORTS_MS = 2_000;
const PORTS_WAIT_MS = 5_000;

export function gitspaceRoutes(app: App, parts: ApiParts): void {
  const { store, clock, addresses } = parts;
  const tags = ["gitspaces"];

  app.post(
    "/gitspaces",
    {
      schema: {
        tags,
        summary: "Make a Gitspace; it is not started",
        body: CreateGitspace,
        headers: z.looseObject({ "idempotency-key": z.string().min(1).max(200).optional() }),
        response: { 201: Gitspace, ...problems },
      },
    },
    async (request, reply) => {
      const row = create(parts, request.body, request.user, request.headers["idempotency-key"]);
      return await reply.code(201).send(gitspaceView(store, addresses, row));
    },
  );

  app.get(
    "/gitspaces",
    {
      schema: {
        tags,
        summary: "List Gitspaces; `x-total` and `x-total-no-filter` count them",
        querystring: ListQuery,
        response: { 200: z.array(Gitspace), ...problems },
      },
    },
    async (request, reply) => {
      const { rows, total, totalNoFilter } = list(parts, request.query, request.user);
      const { page, limit } = request.query;
      void reply.headers({ "x-total": total, "x-total-no-filter": totalNoFilter, "x-page": page, "x-per-page": limit });
      const last = Math.max(1, Math.ceil(total / limit));
      void reply.header("x-total-pages", last);
      if (page > 1) void reply.header("x-prev-page", page - 1);
      if (page < last) void reply.header("x-next-page", page + 1);
      return rows.map((row) => gitspaceView(store, addresses, row));
    },
  );

  const one = "/gitspaces/:gitspace_identifier";
  app.get(
    one,
    { schema: { tags, summary: "Show a Gitspace", params: GitspaceParams, response: { 200: Gitspace, ...problems } } },
    async (request) => gitspaceView(store, addresses, visible(parts, request.params.gitspace_identifier, request.user)),
  );

  app.patch(
    one,
    {
      schema: {
        tags,
        summary: "Set after how many idle minutes a Gitspace is stopped",
        params: GitspaceParams,
        body: ChangeGitspace,
        response: { 200: Gitspace, ...problems },
      },
    },
    async (request) => {
      const { auto_stop_minutes: minutes } = request.body;
      return gitspaceView(
        store,
        addresses,
        setAutoStop(parts, request.params.gitspace_identifier, minutes, request.user),
      );
    },
  );

  app.get(
    `${one}/activity`,
    {
      schema: {
        tags,
        summary: "Who uses a Gitspace: bytes by source and port, and when it stops by itself",
        params: GitspaceParams,
        response: { 200: GitspaceActivity, ...problems },
      },
    },
    async (request) => activityOf(parts, visible(parts, request.params.gitspace_identifier, request.user)),
  );

  app.delete(
    one,
    {
      schema: {
        tags,
        summary: "Delete a Gitspace; accepted at once, done later. Until `undelete_until` its home disk is kept",
        params: GitspaceParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async (request, reply) => {
      const trigger = { on: "delete", graceMs: parts.deleteGraceMs } as const;
      accept(parts, request.params.gitspace_identifier, trigger, request.user);
      return await reply.code(204).send(null);
    },
  );

  app.post(
    `${one}/actions`,
    {
      schema: {
        tags,
        summary: "Start, stop, reset or undelete a Gitspace, or cancel its start; accepted at once, done later",
        params: GitspaceParams,
        body: GitspaceAction,
        response: { 200: Gitspace, ...problems },
      },
    },
    async (request) => {
      const { action } = request.body;
      return gitspaceView(
        store,
        addresses,
        accept(parts, request.params.gitspace_identifier, { on: action }, request.user),
      );
    },
  );

  app.post(
    `${one}/status`,
    {
      schema: {
        tags,
        summary: "Ask a running Gitspace's agent how it is",
        params: GitspaceParams,
        response: { 202: IssuedTask, ...problems },
      },
    },
    async (request, reply) => {
      const taskId = askStatus(parts, visible(parts, request.params.gitspace_identifier, request.user));
      return await reply.code(202).send({ task_id: taskId });
    },
  );

  app.get(
    `${one}/tasks/:task_id`,
    {
      schema: {
        tags,
        summary: "Show a task; with `wait_ms` once it is answered",
        params: TaskParams,
        querystring: TaskQuery,
        response: { 200: TaskView, ...problems },
      },
    },
    async (request, reply) => {
      const row = visible(parts, request.params.gitspace_identifier, request.user);
      const signal = left(reply, parts.closing);
      return taskView(await taskAfter(parts, row, request.params.task_id, request.query.wait_ms, signal));
    },
  );

  app.get(
    `${one}/ports`,
    {
      schema: {
        tags,
        summary: "The ports on which a running Gitspace listens",
        params: GitspaceParams,
        response: { 200: ListeningPorts, ...problems },
      },
    },
    async (request, reply) => {
      const id = request.params.gitspace_identifier;
      const row = visible(parts, id, request.user);
      if (clock.now() - row.ports_at > FRESH_PORTS_MS) {
        const signal = left(reply, parts.closing);
        await taskAfter(parts, row, askStatus(parts, row), PORTS_WAIT_MS, signal);
      }
      const ports = JSON.parse(visible(parts, id, request.user).ports) as number[];
      const shared = portsOf(store, id);
      return {
        ports: ports.map((port) => ({
          port,
          url: addresses.gitspace(id, port),
          visibility: shared[String(port)] ?? "private",
        })),
      };
    },
  );
}
