// The OpenAPI 3.1 document of the public API, made from the schemas that the routes really use.
import { createJsonSchemaTransform } from "@fastify/type-provider-zod";
import swagger from "@fastify/swagger";
import type { App } from "../http.ts";

type Responses = Record<string, { description?: string; content?: Record<string, unknown> }>;

/** Before any route: collects those under /api/v1 and serves the document at /api/v1/openapi.json. */
export async function openApi(app: App, publicUrl: string): Promise<void> {
  const transform = createJsonSchemaTransform({});
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
    transform: (document) =>
      document.url.startsWith("/api/v1/") && document.schema !== undefined
        ? transform(document)
        : { schema: { ...document.schema, hide: true }, url: document.url },
    transformObject: (document) => {
      if (!("openapiObject" in document)) return document.swaggerObject;
      for (const path of Object.values(document.openapiObject.paths ?? {})) {
        for (const operation of Object.values(path ?? {}))
          asProblems((operation as { responses?: Responses }).responses ?? {});
      }
      return document.openapiObject;
    },
  });
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
