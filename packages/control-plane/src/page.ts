// The page: static files of src/ui, and its one document for every address it draws itself.
import { fileURLToPath } from "node:url";
import files from "@fastify/static";
import type { App } from "./http.ts";

/** Serves the page at `/` and `/gitspaces/<id>`. */
export async function page(app: App): Promise<void> {
  await app.register(files, {
    root: fileURLToPath(new URL("ui/", import.meta.url)),
    prefix: "/",
    index: "index.html",
    cacheControl: false,
    dotfiles: "deny",
  });
  app.get("/gitspaces/:id", async (_request, reply) => await reply.sendFile("index.html"));
}
