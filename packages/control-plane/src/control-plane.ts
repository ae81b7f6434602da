// Wires the control plane: opened in order, closed in reverse.
import { realpathSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { dirname } from "node:path";
import { fail } from "@gitspaces/contracts";
import {
  createLog,
  type Clock,
  type Logger,
  probeFolder,
  readSecret,
  startAdmin,
  startCanary,
  systemClock,
} from "@gitspaces/daemon";
import { Addresses } from "./addresses.ts";
import { publicApi } from "./api/api.ts";
import type { ApiParts } from "./api/gitspaces.ts";
import { openApi } from "./api/openapi.ts";
import { Attempts } from "./attempts.ts";
import { type Config, databasePath } from "./config.ts";
import { delegateRoutes } from "./delegates/delegate-routes.ts";
import { delegateKey } from "./delegates/delegate-token.ts";
import { Offers } from "./delegates/offers.ts";
import { Presence } from "./delegates/presence.ts";
import { gatewayRoutes } from "./gateways/gateway-routes.ts";
import { GatewaysSeen } from "./gateways/gateways-seen.ts";
import { installationHealth } from "./health/health.ts";
import { type App, makeHttp } from "./http.ts";
import { Identity } from "./identity.ts";
import { openSigningKey } from "./keys.ts";
import { startSweeper } from "./lifecycle/sweeper.ts";
import { page } from "./page.ts";
import { bootstrapAdmin } from "./people.ts";
import { applyMostVisible } from "./sharing.ts";
import { signIn } from "./sign-in.ts";
import { openStore } from "./store/store.ts";
import { openVault } from "./vault.ts";

export type ControlPlane = { url: string; adminUrl: string } & AsyncDisposable;

type Options = { log?: Logger; clock?: Clock; lookEveryMs?: number };

/** Starts a control plane. @throws {FailureError} when a secret is missing or unreadable, with the file and the cure. */
export async function startControlPlane(config: Config, options: Options = {}): Promise<ControlPlane> {
  const {
    log = createLog("control-plane", config.logLevel),
    clock = systemClock,
    lookEveryMs = config.lookEveryMs,
  } = options;
  const { publicUrl } = config;
  const signing = await openSigningKey(readSecret(config.signingKeyFile));
  const vault = openVault(readSecret(config.secretsKeyFile));
  const key = delegateKey(readSecret(config.delegateTokenFile));
  const token = readSecret(config.gatewayTokenFile);
  const adminToken = readSecret(config.adminTokenFile);

  await using opened = new AsyncDisposableStack();
  const store = opened.use(openStore(databasePath(config)));
  bootstrapAdmin(store, clock, adminToken);
  applyMostVisible(store, config.mostVisible);
  const closing = new AbortController();
  const deadlines = {
    provisionMs: config.provisionDeadlineMs,
    startMs: config.startDeadlineMs,
    stopMs: config.stopDeadlineMs,
    destroyMs: config.destroyDeadlineMs,
    statusMs: config.statusDeadlineMs,
  };
  const presence = new Presence(clock);
  const offers = new Offers(store, presence, clock, config.delegateSelectors);
  const identity = new Identity(store, clock, publicUrl);
  const attempts = new Attempts(clock);
  const addresses = new Addresses(config.gitspacesUrl);
  const { defaultPool, singleUser, deleteGraceMs, accountId } = config;
  const parts: ApiParts = {
    store,
    clock,
    deadlines,
    addresses,
    vault,
    defaultPool,
    publicUrl,
    singleUser,
    deleteGraceMs,
    closing: closing.signal,
  };

  const app = await makeHttp({ log, publicUrl });
  opened.defer(async () => {
    closing.abort();
    await app.close();
  });
  openApi(app, publicUrl);
  const gateways = new GatewaysSeen(clock);
  const health = installationHealth({ store, clock, deadlines, presence, offers, gateways, closing: closing.signal });
  await publicApi(app, parts, identity, attempts, health);
  await delegateRoutes(app, {
    store,
    clock,
    deadlines,
    presence,
    offers,
    vault,
    signing,
    key,
    accountId,
    closing: closing.signal,
  });
  await gatewayRoutes(app, { store, clock, deadlines, signing, token, gateways, closing: closing.signal });
  await signIn(app, { store, clock, identity, attempts, addresses, signing, publicUrl });
  app.get("/.well-known/jwks.json", async () => signing.publicKeys);
  await page(app);
  await listen(app, config);
  const bound = app.server.address() as AddressInfo;

  opened.use(startSweeper({ store, clock, deadlines, presence, offers, log, lookEveryMs }));
  const canary = opened.use(
    startCanary({
      what: "a write to the database",
      async trip() {
        try {
          store.probe();
          await probeFolder(dirname(realpathSync(databasePath(config))));
        } catch (error) {
          store.giveRoomBack();
          throw error;
        }
      },
    }),
  );
  const admin = opened.use(
    await startAdmin({ listen: config.adminListen, log, name: "control-plane", checks: { database: canary.check } }),
  );
  const running = opened.move();
  return {
    url: `http://${host(bound.address)}:${bound.port}`,
    adminUrl: `http://${host(admin.address.host)}:${admin.address.port}`,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function listen(app: App, { listen: { host, port } }: Config): Promise<void> {
  await app.listen({ host, port }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "EADDRINUSE") throw cause;
    const cure = "Stop what uses it, or set GITSPACES_LISTEN to another one.";
    throw fail("conflict", `${host}:${port} is in use already. ${cure}`, { field: "listen", cause });
  });
}

function host(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}
