// The public API: everything under /api/v1, each route behind somebody's identity but those that give one.
import type { InstallationHealth } from "@gitspaces/contracts";
import type { Attempts } from "../attempts.ts";
import type { App } from "../http.ts";
import type { Identity } from "../identity.ts";
import { accessTokenRoutes } from "./access-token-routes.ts";
import { eventRoutes } from "./event-routes.ts";
import { gitspaceRoutes } from "./gitspace-routes.ts";
import type { ApiParts } from "./gitspaces.ts";
import { installationRoutes } from "./installation-routes.ts";
import { peopleRoutes } from "./people-routes.ts";
import { sharingRoutes } from "./sharing-routes.ts";
import { sessionRoutes } from "./session-routes.ts";
import { sshRoutes } from "./ssh-routes.ts";

/** Registers the public API. */
export async function publicApi(
  root: App,
  parts: ApiParts,
  identity: Identity,
  attempts: Attempts,
  health: () => Promise<InstallationHealth>,
): Promise<void> {
  await root.register(
    async (scope) => {
      const app = scope as unknown as App;
      sessionRoutes(app, identity, attempts);
      await app.register(async (inner) => {
        inner.addHook("onRequest", async (request) => {
          identity.require(request);
        });
        const signedIn = inner as unknown as App;
        gitspaceRoutes(signedIn, parts);
        eventRoutes(signedIn, parts);
        peopleRoutes(signedIn, parts);
        sharingRoutes(signedIn, parts);
        accessTokenRoutes(signedIn, parts);
        sshRoutes(signedIn, parts);
        installationRoutes(signedIn, health);
      });
    },
    { prefix: "/api/v1" },
  );
}
