// The settings of the edge: certificates, proxies in front, and limits. A limit of 0 is none.
import { address, commaList } from "@gitspaces/daemon";
import { z } from "zod";

const count = (usual: number) => z.number().int().min(0).default(usual);
const seconds = (usual: number) => z.number().min(0.1).default(usual);

/** Every limit is told by its variable's name when somebody meets it. */
export const limitsConfig = {
  /** Of a request's line and headers together; more is 431. */
  limitHeadBytes: z
    .number()
    .int()
    .min(4_096)
    .default(64 * 1024),
  /** How long a client may take over them. */
  limitHeadSeconds: seconds(10),
  /** How long a connection may idle between two requests. */
  limitKeepAliveSeconds: seconds(65),
  /** Of a request's body; one of unknown length is measured once a second. */
  limitBodyBytes: count(0),
  /** How long a body may pause, while the Gitspace would take more. */
  limitBodyPauseSeconds: count(300),
  /** How long a client may leave an answer unread that is there for it. */
  limitUnreadSeconds: count(300),
  limitConnectionsPerAddress: count(4_096),
  /** Visits are requests under way and upgraded connections. */
  limitVisitsPerAddress: count(4_096),
  limitVisitsPerUser: count(1_024),
  limitVisitsPerGitspace: count(2_048),
  limitUpgradesPendingPerGitspace: count(256),
  limitRequestsPerSecondPerAddress: count(2_000),
  limitRequestsPerSecondPerUser: count(1_000),
  limitRequestsPerSecondPerGitspace: count(1_000),
};

export const edgeConfig = {
  /** PEM, with the chain; several names separated by commas, each with its key at the same place. */
  tlsCertificateFile: commaList.default([]),
  tlsKeyFile: commaList.default([]),
  /** Where http is answered by a redirect to https. */
  redirectListen: address.optional(),
  /** Addresses and CIDRs of balancers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. */
  trustedProxies: commaList.default([]),
  /** For how long browsers remember to come by https only, where the public URL is https. */
  hstsSeconds: count(31_536_000),
  ...limitsConfig,
};

const Limits = z.object(limitsConfig);
export type LimitsConfig = z.infer<typeof Limits>;
export type LimitName = keyof LimitsConfig;
