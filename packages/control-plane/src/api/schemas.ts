// Parameters, queries and answers that the routes of the public API share.
import { GitspaceId, Problem, TaskId } from "@gitspaces/contracts";
import { z } from "zod";

export const GitspaceParams = z.object({ gitspace_identifier: GitspaceId });
export const TaskParams = GitspaceParams.extend({ task_id: TaskId });

const page = z.coerce.number().int().min(1).default(1);
const limit = z.coerce.number().int().min(1).max(100).default(30);
export const Paging = z.strictObject({ page, limit });

const states = z.enum(["running", "stopped", "error"]);
const list = z
  .union([z.string().transform((text) => text.split(",")), z.array(z.string())])
  .pipe(z.array(states))
  .optional();

export const ListQuery = Paging.extend({
  query: z.string().max(200).default(""),
  gitspace_owner: z.enum(["self", "all"]).default("self"),
  gitspace_states: list,
  /** Those that can still be undeleted, instead of the others. */
  deleted: z.enum(["true", "false"]).default("false"),
  "gitspace_states[]": list,
  sort: z.enum(["last_used", "created", "last_activated"]).default("last_activated"),
  order: z.enum(["asc", "desc"]).default("desc"),
});
export type ListQuery = z.infer<typeof ListQuery>;

export const After = z.strictObject({ after: z.coerce.number().int().min(0).optional() });
export const LogsQuery = After.extend({ limit: z.coerce.number().int().min(1).max(5_000).default(1_000) });
export const TaskQuery = z.strictObject({ wait_ms: z.coerce.number().int().min(0).max(60_000).default(0) });
export const IssuedTask = z.object({ task_id: TaskId });
export const Nothing = z.null();
export const EventStream = z.string().describe("server-sent events");

/** What every route may answer when it does not do what was asked. */
export const problems = { "4xx": Problem, "5xx": Problem };
/** A stream's schema: OpenAPI shows it, nothing is serialised by it. */
export const stream = { response: { 200: EventStream, ...problems }, produces: ["text/event-stream"] };
