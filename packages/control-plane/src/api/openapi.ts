// The OpenAPI 3.1 document of the public API, made from the schemas that the routes really use, when somebody first asks for it.
import { type FastifySchema, fastify, type RouteOptions } from "fastify";
import type { App } from "../http.ts";

type Responses = Record<string, { description?: string; content?: Record<string, unknown> }>;
type Route = { method: RouteOptions["method"]; url: string; schema: FastifySchema };

/** Before any route: remembers those under /api/v1, and serves their document at /api/v1/openapi.json. */
export function openApi(app: App, publicUrl: string): void {
  const routes: Route[] = [];
  app.addHook("onRoute", ({ method, url, schema }) => {
    if (url.startsWith("/api/v1/") && schema !== undefined && method !== "HEAD") routes.push({ method, url, schema });
  });
  let made: Promise<unknown> | undefined;
  app.get("/api/v1/openapi.json", async () => {
    made ??= makeDocument(routes, publicUrl);
    return await made;
  });
}

/** The generator is large and rarely needed, so it is loaded here. */
async function makeDocument(routes: Route[], publicUrl: string): Promise<unknown> {
  const [{ default: swagger }, { createJsonSchemaTransform }] = await Promise.all([
    import("@fastify/swagger"),
    import("@fastify/type-provider-zod"),
  ]);
  const app = fastify();
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => () => "");
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Gitspaces control plane",
        version: "1",
        description: "Remote development environments on your own machines.",
      },
      servers: [{ url: publicUrl }],
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }],
    },
    transform: createJsonSchemaTransform({}),
    transformObject: (document) => {
      if (!("openapiObject" in document)) return document.swaggerObject;
      for (const path of Object.values(document.openapiObject.paths ?? {})) {
        for (const operation of Object.values(path ?? {})) {
          asProblems((operation as { responses?: Responses }).responses ?? {});
        }
      }
      return document.openapiObject;
    },
  });
  for (const route of routes) app.route({ ...route, exposeHeadRoute: false, handler: () => undefined });
  await app.ready();
  const document = app.swagger();
  await app.close();
  return document;
}

/** Errors are problem+json, which a route's schema has no word for. */
function asProblems(responses: Responses): void {
  for (const [status, response] of Object.entries(responses)) {
    if (!/^[45]/.test(status)) continue;
    response.description = status.startsWith("4") ? "The request was not accepted" : "The request could not be served";
    const [content] = Object.values(response.content ?? {});
    if (content !== undefined) response.content = { "application/problem+json": content };
  }
}
