// Who may reach a Gitspace: made by the control plane, enforced by the gateway.
import { z } from "zod";
import { KeySet } from "./agent-api.ts";
import { Generation, GitspaceId, Port } from "./names.ts";

export const Visibility = z.enum(["private", "organisation", "public"]);

export const AccessDocument = z.strictObject({
  gitspaceId: GitspaceId,
  /** Grows with every change; a lower one is never applied over a higher one. */
  version: z.int().min(1),
  name: z.string(),
  state: z.enum(["uninitialized", "starting", "running", "stopping", "stopped", "cleaning", "error", "deleted"]),
  generation: z.int().min(0),
  owner: z.string(),
  organisation: z.string(),
  /** Visibility of a port that is not `private`, by port number. */
  ports: z.record(z.string().regex(/^[0-9]+$/), Visibility),
  sshKeys: z.array(z.string()),
});
export type AccessDocument = z.infer<typeof AccessDocument>;

/** Sessions of this user (or this one session) that began before `before` are over. */
export const Revocation = z.strictObject({
  version: z.int().min(1),
  user: z.string(),
  session: z.string().optional(),
  /** Milliseconds since the epoch. */
  before: z.number(),
});
export type Revocation = z.infer<typeof Revocation>;

/**
 * `GET /api/gateway/v1/stream` (SSE). `keys` comes first, then every document or change later than `Last-Event-ID`, then `ready`,
 * then changes as they happen. The id of `access` and `revocation` is the stream's version. Documents travel signed.
 */
export const GatewayStreamMessage = z.discriminatedUnion("event", [
  z.strictObject({ event: z.literal("keys"), data: KeySet }),
  /** A compact EdDSA JWS of an `AccessDocument`. */
  z.strictObject({ event: z.literal("access"), data: z.strictObject({ jws: z.string() }) }),
  /** A compact EdDSA JWS of a `Revocation`. */
  z.strictObject({ event: z.literal("revocation"), data: z.strictObject({ jws: z.string() }) }),
  z.strictObject({ event: z.literal("ready"), data: z.strictObject({}) }),
]);
export type GatewayStreamMessage = z.infer<typeof GatewayStreamMessage>;

/** The claims of a one-time sign-in code: a JWT (EdDSA, 60 s) for one Gitspace, user and browser. */
export const SignInCode = z.object({
  iss: z.string(),
  aud: GitspaceId,
  sub: z.string(),
  /** The user's organisation. */
  organisation: z.string(),
  /** SHA-256 of the browser's nonce cookie, base64url. */
  nonce: z.string(),
  jti: z.string(),
  iat: z.number(),
  exp: z.number(),
});
export type SignInCode = z.infer<typeof SignInCode>;

/** `POST /api/gateway/v1/reports`. */
export const GatewayReport = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("health"),
    gateway: z.string(),
    version: z.string(),
    healthy: z.boolean(),
    /** How many Gitspaces it has a route to. */
    routes: z.int().min(0).optional(),
    /** Public host keys of its SSH door, type and base64, and the port that people reach it at. */
    sshHostKeys: z.array(z.string().max(2_000)).max(10).optional(),
    sshPort: Port.optional(),
    at: z.number(),
  }),
  z.strictObject({
    kind: z.literal("activity"),
    gitspaceId: GitspaceId,
    generation: Generation,
    at: z.number(),
    bytes: z.number(),
  }),
  z.strictObject({ kind: z.literal("wake"), gitspaceId: GitspaceId, user: z.string(), at: z.number() }),
]);
export type GatewayReport = z.infer<typeof GatewayReport>;
export const GatewayReports = z.strictObject({ reports: z.array(GatewayReport).max(1_000) });
