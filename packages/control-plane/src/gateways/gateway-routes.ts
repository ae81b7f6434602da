// What gateways follow and report: the stream of signed access documents and revocations, and their reports.
import {
  fail,
  type GatewayReport,
  GatewayReports,
  type GatewayReportsAnswer,
  parse,
  type WakeAnswer,
} from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import type { z } from "zod";
import { sameSecret } from "../hash.ts";
import type { App } from "../http.ts";
import type { SigningKey } from "../keys.ts";
import { resumeFrom, serveEvents } from "../sse.ts";
import type { Collaborators } from "../lifecycle/act.ts";
import type { GatewaysSeen } from "./gateways-seen.ts";
import { progressOf } from "./progress.ts";
import { sshOfReport } from "./ssh-place.ts";
import { takeWake } from "./wake.ts";

type Options = Collaborators & {
  signing: SigningKey;
  token: string;
  gateways: GatewaysSeen;
  closing: AbortSignal;
};

/** Registers the endpoints; each checks the gateways' token first. */
export async function gatewayRoutes(root: App, options: Options): Promise<void> {
  const { store, signing, token, gateways, closing } = options;
  await root.register(async (app) => {
    app.addHook("onRequest", async (request) => {
      const [, given] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
      if (given === undefined || !sameSecret(given, token)) {
        throw fail("denied", "The gateway token is wrong.", { details: { authenticate: "Bearer" } });
      }
    });

    app.get("/api/gateway/v1/stream", async (request, reply) => {
      let version = resumeFrom(request);
      let isReady = false;
      let hasKeys = false;
      await serveEvents({
        request,
        reply,
        closing,
        bells: [store.bells.access],
        async write(send) {
          if (!hasKeys) send("keys", signing.publicKeys);
          hasKeys = true;
          for (let rows = store.access.after({ version }); rows.length > 0; rows = store.access.after({ version })) {
            for (const row of rows) {
              send(row.kind, { jws: await signing.signDocument(JSON.parse(row.body)) }, row.version);
              version = row.version;
              failpoint("control-plane.afterAccess");
            }
          }
          if (!isReady) send("ready", {});
          isReady = true;
        },
      });
    });

    app.post("/api/gateway/v1/reports", async (request) => {
      const { reports, batch } = parse(GatewayReports, request.body, "reports");
      const wakes: WakeAnswer[] = [];
      store.step("Reports", () => {
        let isNew = true;
        for (const report of reports) {
          if (report.kind === "wake") wakes.push(takeWake(options, report));
          else if (report.kind === "health") isNew = takeHealth(options, report, batch) && isNew;
          else if (report.kind === "activity" && isNew) takeActivity(options, report);
          else if (report.kind === "pass" && isNew) takePass(options, report);
        }
      });
      for (const report of reports) if (report.kind === "health") gateways.heard(report.gateway, report.routes);
      return { wakes } satisfies z.infer<typeof GatewayReportsAnswer>;
    });

    app.get<{ Params: { id: string } }>("/api/gateway/v1/gitspaces/:id/progress", async (request, reply) => {
      const { events, access } = store.bells;
      const write = progressOf(store, request.params.id);
      await serveEvents({ request, reply, closing, bells: [events, access], write });
    });
  });
}

/** A gateway reckons in our time, but may be a little ahead; one that is far ahead would keep a Gitspace running. */
const AHEAD_MS = 5 * 60_000;

type Health = Extract<GatewayReport, { kind: "health" }>;
type Used = Extract<GatewayReport, { kind: "pass" }>;
type Moved = Extract<GatewayReport, { kind: "activity" }>;

/** Takes what a gateway says of itself; gives whether the activity that comes with it is new. */
function takeHealth({ store }: Collaborators, report: Health, batch: string | undefined): boolean {
  const { gateway: name, version, healthy } = report;
  const at = Math.round(report.at);
  store.gateways.health({ name, version, healthy: Number(healthy), at, ssh: sshOfReport(report) });
  return batch === undefined || store.gateways.takeBatch({ name, batch }) === 1;
}

function takeActivity({ store, clock }: Collaborators, report: Moved): void {
  const at = Math.min(Math.round(report.at), clock.now() + AHEAD_MS);
  const instance = store.gitspaces.get({ id: report.gitspaceId })?.instance;
  if (instance == null) return;
  store.activity.add(report.gitspaceId, report, at);
  if (report.active) store.instances.used({ id: instance, at });
}

/** Takes what was done with a token or a link; of one that is not known nothing is kept. */
function takePass({ store, clock }: Collaborators, { pass: id, gitspaceId, port, address, ...report }: Used): void {
  const at = Math.min(Math.round(report.at), clock.now() + AHEAD_MS);
  const { requests } = report;
  if (store.passes.used({ id, requests, at }) === 0) return;
  store.passes.noteUse({ id, gitspace: gitspaceId, port, address, requests, at });
}
