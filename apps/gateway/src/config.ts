// The gateway's configuration, parsed once.
import { address, commonConfig, readSecret, secretFile } from "@gitspaces/daemon";
import { isRedisUrl, REDIS_URL_FORMS } from "@gitspaces/daemon/redis";
import { fail } from "@gitspaces/contracts";
import { z } from "zod";
import { edgeConfig } from "./edge/config.ts";
import { handOverConfig } from "./hand-over/config.ts";

const webUrl = z
  .url({ protocol: /^https?$/, error: "should be an http or https URL" })
  .transform((url) => url.replace(/\/+$/, ""));
const domainName = z.string().regex(/^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/, "should be a domain name in lower case");
const plainName = z.coerce.string().regex(/^[a-z0-9-]{1,63}$/, "should be lower-case letters, digits and dashes");

export const GatewayConfig = z.strictObject({
  ...commonConfig,
  listen: address.default({ host: "127.0.0.1", port: 7401 }),
  sshListen: address.default({ host: "127.0.0.1", port: 7402 }),
  /** The port people reach it at, where that is another one. */
  sshPublicPort: z.coerce.number().int().min(1).max(65_535).optional(),
  tasksListen: address.default({ host: "127.0.0.1", port: 7403 }),
  /** Gitspaces are hosts under this name. */
  domain: domainName.default("gitspaces.localhost"),
  /** What browsers see; its scheme decides about secure cookies. */
  publicUrl: webUrl.default("http://gitspaces.localhost:7401"),
  /** Where this process reaches the control plane. */
  controlPlaneUrl: webUrl,
  /** Where browsers reach it. */
  controlPlanePublicUrl: webUrl,
  gatewayName: plainName.default("gateway"),
  gatewayTokenFile: secretFile,
  redisUrl: z.string().refine(isRedisUrl, REDIS_URL_FORMS),
  redisPasswordFile: secretFile.optional(),
  enrolUrl: z.url({ protocol: /^https$/, error: "should be an https URL" }),
  caFingerprintFile: z.string().min(1),
  enrolTokenFile: secretFile,
  sessionKeyFile: secretFile,
  ...edgeConfig,
  ...handOverConfig,
  /** The engine that moves requests; the second one is for comparing. */
  forwarder: z.enum(["undici", "http-proxy"]).default("undici"),
  /** For how long programs and SSH are held while a Gitspace starts; then they are told to come again. */
  holdMs: z.number().int().min(0).default(60_000).describe("milliseconds"),
  /** How many are held at the same time for one Gitspace, and in all. */
  holdPerGitspace: z.number().int().min(0).default(100),
  holdInAll: z.number().int().min(0).default(2_000),
});
export type GatewayConfig = z.infer<typeof GatewayConfig>;

/** The key of session cookies. @throws {FailureError} `bad_request` when the file does not hold 64 hex characters. */
export function readSessionKey(file: string): Uint8Array {
  const text = readSecret(file);
  if (!/^[0-9a-f]{64}$/i.test(text))
    throw fail("bad_request", `The session key file ${file} should hold 64 hex characters.`);
  return Buffer.from(text, "hex");
}
