// How an installation is, as its control plane finds out: `GET /api/v1/installation/health`, for administrators.
import { z } from "zod";
import { PoolState } from "./pool-state.ts";

const Timestamp = z.number().int().describe("milliseconds since the epoch");

/** A task that was sent only to see it come back. Where it got stuck is where the way is broken. */
export const RoundTrip = z.object({
  outcome: z.enum(["ok", "failed", "not_taken", "no_answer"]),
  took_ms: z.number().nullable(),
  message: z.string().nullable().describe("why, when the outcome is `failed`"),
});
export type RoundTrip = z.infer<typeof RoundTrip>;

export const DelegateHealth = z.object({
  identifier: z.string(),
  name: z.string(),
  tags: z.array(z.string()),
  connected: z.boolean(),
  last_heard: Timestamp.nullable().describe("null: not since the control plane started"),
  free_slots: z.number().int().nullable(),
  held_tasks: z.number().int(),
  runner: RoundTrip.nullable().describe(
    "a task through the delegate and Redis to a runner and back; null: not connected, or not selected to get tasks",
  ),
  pools: z.array(PoolState).nullable().describe("as the runner that answered has them"),
});
export type DelegateHealth = z.infer<typeof DelegateHealth>;

export const GatewayHealth = z.object({
  name: z.string(),
  version: z.string(),
  healthy: z.boolean(),
  connected: z.boolean(),
  last_heard: Timestamp,
  routes: z.number().int().nullable().describe("how many Gitspaces it can reach; null: it did not say"),
});
export type GatewayHealth = z.infer<typeof GatewayHealth>;

export const InstallationHealth = z.object({
  checked_at: Timestamp,
  control_plane: z.object({ ready: z.boolean(), message: z.string().nullable() }),
  delegates: z.array(DelegateHealth),
  gateways: z.array(GatewayHealth),
  agent: z
    .object({ gitspace_identifier: z.string(), round_trip: RoundTrip })
    .nullable()
    .describe("a task through a gateway to the agent of a running Gitspace and back; null: none runs"),
  tasks: z.object({ offered: z.number().int(), acquired: z.number().int() }),
});
export type InstallationHealth = z.infer<typeof InstallationHealth>;
