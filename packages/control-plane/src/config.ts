// The control plane's configuration, read once.
import { join } from "node:path";
import { PoolName, Visibility } from "@gitspaces/contracts";
import { address, commaList, commonConfig, secretFile } from "@gitspaces/daemon";
import { z } from "zod";

const origin = z.url({ protocol: /^https?$/ }).transform((text) => new URL(text).origin);
const duration = (ms: number) => z.number().int().min(1).default(ms).describe("milliseconds");

export const Config = z.strictObject({
  ...commonConfig,
  listen: address.default({ host: "127.0.0.1", port: 7400 }),
  /** Where people reach this control plane. */
  publicUrl: origin.default("http://localhost:7400"),
  /** Gitspace hosts are labels under this one. */
  gitspacesUrl: origin.default("http://gitspaces.localhost:7401"),
  accountId: z.string().min(1),
  delegateTokenFile: secretFile,
  gatewayTokenFile: secretFile,
  adminTokenFile: secretFile,
  signingKeyFile: secretFile,
  secretsKeyFile: secretFile,
  database: z.string().min(1).optional(),
  singleUser: z.boolean().default(false),
  defaultPool: PoolName.default("default"),
  /** The most that owners may choose for their ports. Links need `public`: whoever has one passes without an account. */
  mostVisible: Visibility.default("public"),
  /** Names or tags of the delegates that get tasks; none means all. */
  delegateSelectors: commaList.default([]),
  provisionDeadlineMs: duration(10 * 60_000),
  startDeadlineMs: duration(30 * 60_000),
  stopDeadlineMs: duration(5 * 60_000),
  destroyDeadlineMs: duration(10 * 60_000),
  statusDeadlineMs: duration(30_000),
  /** How long the files of a deleted Gitspace are kept, so that it can be undeleted; 0: not at all. */
  deleteGraceMs: z
    .number()
    .int()
    .min(0)
    .default(7 * 24 * 60 * 60_000)
    .describe("milliseconds"),
  /** How often it is asked whether the VMs of running Gitspaces are there. */
  lookEveryMs: duration(60_000),
});
export type Config = z.infer<typeof Config>;

export function databasePath(config: Config): string {
  return config.database ?? join(config.dataFolder, "control-plane.db");
}
