// The timeline and the log of Gitspaces: pages of them, and streams that go on where a client left off.
import { GitspaceEvent, LogLine } from "@gitspaces/contracts";
import { z } from "zod";
import type { App } from "../http.ts";
import { resumeFrom, type Send, serveEvents } from "../sse.ts";
import { type ApiParts, visible } from "./gitspaces.ts";
import { After, GitspaceParams, LogsQuery, Paging, problems, stream } from "./schemas.ts";
import { eventView, gitspaceView, logView } from "./views.ts";

export function eventRoutes(app: App, parts: ApiParts): void {
  const { store, addresses, closing } = parts;
  const tags = ["events"];
  const one = "/gitspaces/:gitspace_identifier";

  app.get(
    `${one}/events`,
    {
      schema: {
        tags,
        summary: "The timeline of a Gitspace, newest first",
        params: GitspaceParams,
        querystring: Paging,
        response: { 200: z.array(GitspaceEvent), ...problems },
      },
    },
    async (request, reply) => {
      const { id: gitspace } = visible(parts, request.params.gitspace_identifier, request.user);
      const { page, limit } = request.query;
      void reply.headers({
        "x-total": store.events.count({ gitspace })?.count ?? 0,
        "x-page": page,
        "x-per-page": limit,
      });
      return store.events.page({ gitspace, limit, offset: (page - 1) * limit }).map(eventView);
    },
  );

  app.get(
    `${one}/events/stream`,
    {
      schema: {
        tags,
        summary: "The timeline and the state of a Gitspace as they change",
        params: GitspaceParams,
        querystring: After,
        ...stream,
      },
    },
    async (request, reply) => {
      const { id } = visible(parts, request.params.gitspace_identifier, request.user);
      let after = resumeFrom(request);
      let version = 0;
      const write = (send: Send) => {
        for (const row of allAfter((last) => store.events.ofGitspaceAfter({ gitspace: id, after: last }), after)) {
          send("timeline", eventView(row), row.id);
          after = row.id;
        }
        const row = store.gitspaces.get({ id });
        if (row === undefined || row.deleted !== null) {
          send("deleted", { identifier: id });
          return "end";
        }
        if (row.version > version) send("state", gitspaceView(store, addresses, row));
        version = row.version;
        return undefined;
      };
      await serveEvents({ request, reply, closing, bells: [store.bells.events, store.bells.access], write });
    },
  );

  app.get(
    "/events/stream",
    {
      schema: {
        tags,
        summary: "The timelines and states of all one's Gitspaces as they change",
        querystring: After,
        ...stream,
      },
    },
    async (request, reply) => {
      const owner = request.user.identifier;
      let after = resumeFrom(request, store.events.last()?.id ?? 0);
      let version = 0;
      const write = (send: Send) => {
        for (const row of allAfter((last) => store.events.ofOwnerAfter({ owner, after: last }), after)) {
          send("timeline", eventView(row), row.id);
          after = row.id;
        }
        const isFirst = version === 0;
        for (const row of store.gitspaces.changedSince({ owner, version })) {
          version = row.version;
          const shown = gitspaceView(store, addresses, row);
          if (row.deleted === null && shown.state !== "deleted") send("state", shown);
          else if (!isFirst) send("deleted", { identifier: row.id });
        }
      };
      await serveEvents({ request, reply, closing, bells: [store.bells.events, store.bells.access], write });
    },
  );

  app.get(
    `${one}/logs`,
    {
      schema: {
        tags,
        summary: "The log of a Gitspace from a position on",
        params: GitspaceParams,
        querystring: LogsQuery,
        response: { 200: z.array(LogLine), ...problems },
      },
    },
    async (request) => {
      const { id: gitspace } = visible(parts, request.params.gitspace_identifier, request.user);
      return store.logs.after({ gitspace, after: request.query.after ?? 0, limit: request.query.limit }).map(logView);
    },
  );

  app.get(
    `${one}/logs/stream`,
    {
      schema: {
        tags,
        summary: "The log of a Gitspace as it grows",
        params: GitspaceParams,
        querystring: After,
        ...stream,
      },
    },
    async (request, reply) => {
      const { id: gitspace } = visible(parts, request.params.gitspace_identifier, request.user);
      let after = resumeFrom(request);
      const write = (send: Send) => {
        for (const row of allAfter((last) => store.logs.after({ gitspace, after: last, limit: 500 }), after)) {
          send("log_line_appended", logView(row), row.pos);
          after = row.pos;
        }
      };
      await serveEvents({ request, reply, closing, bells: [store.bells.logs, store.bells.access], write });
    },
  );
}

/** Every row after a number, page by page. */
function* allAfter<Row extends { id: number } | { pos: number }>(
  page: (after: number) => Row[],
  after: number,
): Generator<Row> {
  let last = after;
  for (let rows = page(last); rows.length > 0; rows = page(last)) {
    for (const row of rows) {
      last = "id" in row ? row.id : row.pos;
      yield row;
    }
  }
}
