// What gateways follow and report: the stream of signed access documents and revocations, and their reports.
import { fail, type GatewayReport, GatewayReports, parse } from "@gitspaces/contracts";
import { type Clock, failpoint } from "@gitspaces/daemon";
import { sameSecret } from "../hash.ts";
import type { App } from "../http.ts";
import type { SigningKey } from "../keys.ts";
import { resumeFrom, serveEvents } from "../sse.ts";
import type { Store } from "../store/store.ts";
import type { GatewaysSeen } from "./gateways-seen.ts";
import { sshOfReport } from "./ssh-place.ts";

type Options = {
  store: Store;
  clock: Clock;
  signing: SigningKey;
  token: string;
  gateways: GatewaysSeen;
  closing: AbortSignal;
};

/** Registers the endpoints; each checks the gateways' token first. */
export async function gatewayRoutes(root: App, { store, signing, token, gateways, closing }: Options): Promise<void> {
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
      const { reports } = parse(GatewayReports, request.body, "reports");
      store.step("Reports", () => {
        for (const report of reports) takeReport(store, report);
      });
      for (const report of reports) if (report.kind === "health") gateways.heard(report.gateway, report.routes);
      return {};
    });
  });
}

function takeReport(store: Store, report: GatewayReport): void {
  const at = Math.round(report.at);
  switch (report.kind) {
    case "health":
      store.gateways.health({
        name: report.gateway,
        version: report.version,
        healthy: Number(report.healthy),
        at,
        ssh: sshOfReport(report),
      });
      return;
    case "wake":
      store.gateways.wake({ gitspace: report.gitspaceId, user: report.user, at });
      return;
    case "activity": {
      const instance = store.gitspaces.get({ id: report.gitspaceId })?.instance;
      if (instance != null) store.instances.used({ id: instance, at });
    }
  }
}
