// /api/v1/installation: how the whole is, for administrators.
import { InstallationHealth } from "@gitspaces/contracts";
import type { App } from "../http.ts";
import { requireAdmin } from "./people-routes.ts";
import { problems } from "./schemas.ts";

export function installationRoutes(app: App, health: () => Promise<InstallationHealth>): void {
  app.get(
    "/installation/health",
    {
      schema: {
        tags: ["installation"],
        summary:
          "How every hop is, found out by tasks that go and come back; takes up to ten seconds; for administrators",
        response: { 200: InstallationHealth, ...problems },
      },
    },
    async (request) => {
      requireAdmin(request.user);
      return await health();
    },
  );
}
