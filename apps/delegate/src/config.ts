// The delegate's settings, read once at start.
import { address, commaList, commonConfig, secretFile } from "@gitspaces/daemon";
import { isRedisUrl, REDIS_URL_FORMS } from "@gitspaces/daemon/redis";
import { z } from "zod";

export const ConfigSchema = z.strictObject({
  ...commonConfig,
  adminListen: address.default({ host: "127.0.0.1", port: 7410 }),
  controlPlaneUrl: z.url({ protocol: /^https?$/ }),
  /** PEM of the authorities that may vouch for an https control plane, instead of those Node knows. */
  controlPlaneCaFile: z.string().min(1).optional(),
  accountId: z.string().min(1),
  delegateTokenFile: secretFile,
  /** Also the name in the delegate's certificate, hence its plain form. */
  delegateName: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "should be lower-case letters, digits and dashes"),
  tags: commaList.default([]),
  /** How many tasks are worked on at once. */
  slots: z.int().min(1).max(1_000).default(16),
  redisUrl: z.string().refine(isRedisUrl, REDIS_URL_FORMS),
  redisPasswordFile: secretFile.optional(),
  gatewayTasksUrl: z.url({ protocol: /^https$/ }),
  enrolUrl: z.url({ protocol: /^https$/ }),
  caFingerprintFile: z.string().min(1),
  enrolTokenFile: secretFile,
  /** Where inbox and outbox are kept; `delegate.db` in the data folder when it is not said. */
  database: z.string().min(1).optional(),
});
export type Config = z.infer<typeof ConfigSchema>;
