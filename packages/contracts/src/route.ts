// Where a Gitspace is reached: written by the runner, read by the gateway.
import { z } from "zod";
import { Generation, GitspaceId, InstanceId, Port } from "./names.ts";

export const Route = z.strictObject({
  gitspaceId: GitspaceId,
  generation: Generation,
  instanceId: InstanceId,
  /** An IP address attested by the provider; never a name, never from a user. */
  address: z.union([z.ipv4(), z.ipv6()]),
  port: Port,
  /** SHA-256 of the agent certificate's public key (SPKI DER), base64url. */
  keyFingerprint: z.string(),
});
export type Route = z.infer<typeof Route>;

/** What is published on `gs:routes`. A removal names the highest generation it removes. */
export const RouteChange = z.discriminatedUnion("change", [
  z.strictObject({ change: z.literal("set"), route: Route }),
  z.strictObject({ change: z.literal("removed"), gitspaceId: GitspaceId, generation: Generation }),
]);
export type RouteChange = z.infer<typeof RouteChange>;

/** Also published on `gs:routes`: after a loss every route has been written again, and a route that is not listed now is gone. */
export const RoutesRebuilt = z.strictObject({ change: z.literal("rebuilt") });
export type RoutesRebuilt = z.infer<typeof RoutesRebuilt>;
