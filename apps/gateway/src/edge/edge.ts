// The edge of the gateway: what it knows of connections before and beside the visits on them.
import type { Clock, Logger } from "@gitspaces/daemon";
import { fail } from "@gitspaces/contracts";
import type { GatewayConfig } from "../config.ts";
import { type Arrivals, makeArrivals } from "./arrivals.ts";
import type { LimitsConfig } from "./config.ts";
import { type FrontTls, openFrontTls, pairFiles } from "./front-tls.ts";
import { Stalls } from "./stalls.ts";
import { Visitors } from "./visitors.ts";

export type Edge = Disposable & {
  domain: string;
  publicUrl: string;
  /** Nothing when TLS is ended in front of the gateway, or not at all. */
  tls: FrontTls | undefined;
  arrivals: Arrivals;
  limits: LimitsConfig;
  visitors: Visitors;
  stalls: Stalls;
  /** Seconds of Strict-Transport-Security; 0 over http. */
  hstsSeconds: number;
};

/** @throws {FailureError} `bad_request` for settings that contradict each other, and for certificates that cannot be used. */
export function openEdge(config: GatewayConfig, { clock, log }: { clock: Clock; log: Logger }): Edge {
  const scheme = new URL(config.publicUrl).protocol.slice(0, -1);
  const files = pairFiles(config.tlsCertificateFile, config.tlsKeyFile);
  if (files.length > 0 && scheme !== "https")
    throw fail(
      "bad_request",
      `With GITSPACES_TLS_CERTIFICATE_FILE the public URL ${config.publicUrl} should be https.`,
      {
        field: "publicUrl",
      },
    );
  if (config.redirectListen !== undefined && scheme !== "https")
    throw fail("bad_request", "GITSPACES_REDIRECT_LISTEN redirects to https, and the public URL is http.", {
      field: "redirectListen",
    });
  const arrivals = makeArrivals(config.trustedProxies, scheme);
  const tls = files.length === 0 ? undefined : openFrontTls({ files, clock, log });
  const stalls = new Stalls(config);
  return {
    domain: config.domain,
    publicUrl: config.publicUrl,
    tls,
    arrivals,
    limits: config,
    visitors: new Visitors(config),
    stalls,
    hstsSeconds: scheme === "https" ? config.hstsSeconds : 0,
    [Symbol.dispose]() {
      tls?.[Symbol.dispose]();
      stalls[Symbol.dispose]();
    },
  };
}
