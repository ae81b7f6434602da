// The delegate protocol as existing delegates and managers speak it, with our additions, each optional for the other side.
import { z } from "zod";
import { TaskEvent } from "./event.ts";

export const RegisterRequest = z.looseObject({
  accountId: z.string(),
  delegateName: z.string().optional(),
  delegateId: z.string().optional(),
  delegateType: z.string().optional(),
  hostName: z.string().optional(),
  ip: z.string().optional(),
  ng: z.boolean().optional(),
  pollingModeEnabled: z.boolean().optional(),
  heartbeatAsObject: z.boolean().optional(),
  sequenceNum: z.number().optional(),
  lastHeartBeat: z.number().optional(),
  supportedTaskTypes: z.array(z.string()).optional(),
  tags: z.array(z.string()).optional(),
  /** Ours: how many tasks can start now. A delegate that does not say is offered everything. */
  freeSlots: z.number().int().min(0).optional(),
});
export type RegisterRequest = z.infer<typeof RegisterRequest>;
export const RegisterResponse = z.looseObject({ resource: z.looseObject({ delegateId: z.string() }) });
export type RegisterResponse = z.infer<typeof RegisterResponse>;

export const DelegateTaskEvent = z.looseObject({
  accountId: z.string(),
  delegateTaskId: z.string(),
  sync: z.boolean().optional(),
  taskType: z.string(),
});
export const TaskEventsResponse = z.looseObject({
  delegateTaskEvents: z.array(DelegateTaskEvent).nullish(),
  /** Ours: acquired tasks that are no longer wanted. */
  cancelledTaskIds: z.array(z.string()).optional(),
});
export type TaskEventsResponse = z.infer<typeof TaskEventsResponse>;

/** What acquiring answers. Our envelope is `data`; `id`, `type` and `timeout` (ms to the deadline) mirror it outside. */
export const WireTask = z.looseObject({
  id: z.string(),
  type: z.string(),
  data: z.unknown(),
  async: z.boolean().optional(),
  runnerResponse: z.boolean().optional(),
  timeout: z.number().optional(),
});
export type WireTask = z.infer<typeof WireTask>;

export const ResponseCode = z.enum(["OK", "FAILED", "RETRY_ON_OTHER_DELEGATE"]);
/** The result of a task; `data` is our `Answer`. */
export const TaskResponse = z.looseObject({ id: z.string(), type: z.string(), code: ResponseCode, data: z.unknown() });
export type TaskResponse = z.infer<typeof TaskResponse>;

/** The result of a task whose `runnerResponse` was set: `data` is base64 of JSON bytes. */
export const RunnerTaskResponse = z.looseObject({
  id: z.string(),
  type: z.string(),
  code: z.enum(["OK", "FAILED", "TIMEOUT", "UNKNOWN"]),
  error: z.string().optional(),
  data: z.string().optional(),
});
export type RunnerTaskResponse = z.infer<typeof RunnerTaskResponse>;

/** Ours: `POST /api/agent/v2/tasks/{id}/events`. Idempotent by `seq`; a 404 tells the delegate to stop sending them. */
export const EventBatch = z.strictObject({ events: z.array(TaskEvent).min(1).max(500) });
export type EventBatch = z.infer<typeof EventBatch>;
