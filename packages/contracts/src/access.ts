// Who may reach a Gitspace: made by the control plane, enforced by the gateway.
import { z } from "zod";
import { KeySet } from "./agent-api.ts";
import { Generation, GitspaceId, IDE_PORT, Port } from "./names.ts";
import { Pass } from "./pass.ts";

export const Visibility = z.enum(["private", "organisation", "public"]);
export type Visibility = z.infer<typeof Visibility>;

const openness: Record<Visibility, number> = { private: 0, organisation: 1, public: 2 };

/** What is left of a visibility under the most that an installation lets owners choose. */
export function capVisibility(chosen: Visibility, most: Visibility): Visibility {
  return openness[chosen] <= openness[most] ? chosen : most;
}

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
  /** Tokens and links that open something of it; one that is not here any more is revoked. */
  passes: z.array(Pass).optional(),
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

/** What moves bytes between people and a Gitspace. */
export const ActivitySource = z.enum(["http", "websocket", "ssh"]);
export type ActivitySource = z.infer<typeof ActivitySource>;
/** What wakes a Gitspace: somebody looks at it, a program asks it something, somebody connects by SSH. */
export const WakeBy = z.enum(["page", "client", "ssh"]);
export type WakeBy = z.infer<typeof WakeBy>;

/** `POST /api/gateway/v1/reports`; answered with `GatewayReportsAnswer`. */
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
    /** Moved by clients, both ways, since the last report of the same source and port. */
    bytes: z.number(),
    source: ActivitySource.default("http"),
    /** The port in the VM. */
    port: Port.default(IDE_PORT),
    /** Whether it was use; what an idle window or session says to keep itself alive is not. */
    active: z.boolean().default(true),
  }),
  /** What was done with a pass since the last report of it. */
  z.strictObject({
    kind: z.literal("pass"),
    gitspaceId: GitspaceId,
    pass: z.string().max(100),
    port: Port,
    /** Where the holder came from. */
    address: z.string().max(100),
    /** Requests and upgrades that it let through; 0 when it was only opened in a browser. */
    requests: z.int().min(0),
    at: z.number(),
  }),
  /** Somebody who may start it visits a Gitspace that does not run. Sent at once, and answered with a `WakeAnswer`. */
  z.strictObject({
    kind: z.literal("wake"),
    gitspaceId: GitspaceId,
    user: z.string(),
    at: z.number(),
    /** The generation that was seen stopped: what came later is not undone. */
    generation: z.int().min(0),
    by: WakeBy,
  }),
]);
export type GatewayReport = z.infer<typeof GatewayReport>;
/** `batch` names the activity in it: activity of a batch that was taken before is not counted again. */
export const GatewayReports = z.strictObject({
  reports: z.array(GatewayReport).max(1_000),
  batch: z.string().max(64).optional(),
});
