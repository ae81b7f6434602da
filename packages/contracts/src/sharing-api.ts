// What owners share, as the public API has it: the visibility of ports, links for others, tokens for programs.
import { z } from "zod";
import { Visibility } from "./access.ts";
import { GitspaceId, Port } from "./names.ts";
import { PassMethods, PathPrefix } from "./pass.ts";

const Timestamp = z.number().int().describe("milliseconds since the epoch");
const Name = z.string().trim().max(100);

export const SetVisibility = z.strictObject({ visibility: Visibility });
export const PortVisibility = z.object({
  port: Port,
  url: z.string(),
  visibility: Visibility.describe("who reaches it now"),
  chosen: Visibility.describe("what its owner chose; the installation may allow less"),
});
export type PortVisibility = z.infer<typeof PortVisibility>;
/** `GET /gitspaces/{id}/visibility`: every port that is not private by choice. */
export const Sharing = z.object({
  most: Visibility.describe("the most that owners may choose here"),
  ports: z.array(PortVisibility),
});
export type Sharing = z.infer<typeof Sharing>;

export const CreateShare = z.strictObject({
  port: Port,
  path: PathPrefix.default("/").describe("the link opens what is below this path"),
  methods: PassMethods.optional().describe("HTTP methods, and UPGRADE for WebSockets; all when left out"),
  expires_in_seconds: z
    .int()
    .min(60)
    .max(90 * 86_400)
    .default(86_400),
  name: Name.default("").describe("whom it is for"),
});
export type CreateShare = z.input<typeof CreateShare>;

export const Share = z.object({
  identifier: z.string(),
  gitspace_identifier: GitspaceId,
  port: Port,
  path: z.string(),
  methods: z.array(z.string()).nullable(),
  name: z.string(),
  created: Timestamp,
  created_by: z.string(),
  expires_at: Timestamp,
  requests: z.number().int().describe("that it has let through"),
  last_used: Timestamp.nullable(),
});
export type Share = z.infer<typeof Share>;
export const NewShare = Share.extend({ link: z.string().describe("shown once; whoever has it may pass") });
export type NewShare = z.infer<typeof NewShare>;

/** What one holder did between two reports of a gateway. */
export const PassUse = z.object({
  at: Timestamp,
  gitspace_identifier: GitspaceId,
  port: Port,
  address: z.string().describe("where the holder came from"),
  requests: z.number().int().describe("0: it was opened in a browser"),
});
export type PassUse = z.infer<typeof PassUse>;

export const CreateAccessToken = z.strictObject({
  name: Name.min(1),
  gitspace_identifiers: z.array(GitspaceId).min(1).max(50).optional().describe("defaults to all of one's own"),
  ports: z.array(Port).min(1).max(50).optional().describe("defaults to all but the IDE"),
  expires_in_days: z.int().min(1).max(365).default(30),
});
export type CreateAccessToken = z.input<typeof CreateAccessToken>;
export const AccessToken = z.object({
  identifier: z.string(),
  name: z.string(),
  gitspace_identifiers: z.array(GitspaceId).nullable(),
  ports: z.array(Port).nullable(),
  created: Timestamp,
  expires_at: Timestamp,
  requests: z.number().int(),
  last_used: Timestamp.nullable(),
});
export type AccessToken = z.infer<typeof AccessToken>;
export const NewAccessToken = AccessToken.extend({
  token: z.string().describe("shown once; sent as `Authorization: Bearer` to a Gitspace's host"),
});
