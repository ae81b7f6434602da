// The HTTP server every route shares: zod in and out, problem+json for every error, careful headers, logs without secrets.
import type { ServerResponse } from "node:http";
import { fail, failure, FailureError, type Failure, toFailure, toProblem } from "@gitspaces/contracts";
import { serializerCompiler, type ZodTypeProvider } from "@fastify/type-provider-zod";
import cookie from "@fastify/cookie";
import { keepConnectionReserve, type Logger } from "@gitspaces/daemon";
import { fastify, type FastifyError, type FastifyReply, type FastifyRequest } from "fastify";
import type { z } from "zod";

export type App = Awaited<ReturnType<typeof makeHttp>>;

const BODY_LIMIT_BYTES = 2 * 1024 * 1024;

export async function makeHttp({ log, publicUrl }: { log: Logger; publicUrl: string }) {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 200, ignoreTrailingSlash: false },
    requestTimeout: 120_000,
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(
    ({ schema, httpPart }) =>
      (value) =>
        validate(schema as z.ZodType, value, httpPart ?? "body"),
  );
  app.setSerializerCompiler(serializerCompiler);
  await app.register(cookie);

  // An empty JSON body is none: existing delegates send the content type with every request.
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) => {
    const text = String(body).trim();
    if (text === "") return done(null, undefined);
    try {
      done(null, JSON.parse(text));
    } catch {
      done(new FailureError(failure("bad_request", "The body is not JSON.")));
    }
  });

  const reserve = keepConnectionReserve(app.server);
  app.addHook("onRequest", async (request, reply) => {
    if (!reserve.isRefused(request.raw.socket)) return;
    void reply.header("connection", "close").header("retry-after", "5");
    throw fail("no_capacity", "Too many connections at the moment. Try again in a few seconds.");
  });
  app.addHook("onRequest", async (_request, reply) => setSecurityHeaders(reply.raw, publicUrl.startsWith("https:")));
  app.addHook("onResponse", async (request, reply) => {
    const { method } = request;
    const route = request.routeOptions.url ?? "none";
    const fields = { method, route, status: reply.statusCode, tookMs: Math.round(reply.elapsedTime) };
    if (reply.statusCode >= 500) log.warn(fields, "request failed");
    else log.debug(fields, "request");
  });
  app.setErrorHandler((error: FastifyError, request, reply) => sendFailure(reply, meaning(error, log, request)));
  app.setNotFoundHandler((_request, reply) =>
    sendFailure(reply, failure("not_found", "There is nothing at this address.")),
  );
  return app;
}

/** What a thrown error means to the caller; an unknown one is logged here and stays here. */
function meaning(error: FastifyError, log: Logger, request: FastifyRequest): Failure {
  if (error instanceof FailureError) return error.failure;
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) return failure(status === 404 ? "not_found" : "bad_request", error.message);
  log.error({ err: error, route: request.routeOptions.url }, "a request failed inside");
  return toFailure(error);
}

export function sendFailure(reply: FastifyReply, what: Failure): FastifyReply {
  const problem = toProblem(what);
  // 401 says that somebody has to say who they are; 403 that knowing it did not help.
  const scheme = what.details?.["authenticate"];
  if (typeof scheme === "string") {
    problem.status = 401;
    void reply.header("www-authenticate", scheme);
  }
  if (what.code === "quota_exceeded") void reply.header("retry-after", "60");
  return reply.code(problem.status).type("application/problem+json").send(problem);
}

function validate(schema: z.ZodType, value: unknown, part: string): { value: unknown } | { error: Error } {
  const parsed = schema.safeParse(part === "body" ? (value ?? {}) : value);
  if (parsed.success) return { value: parsed.data };
  const issue = parsed.error.issues[0];
  const unknownKey = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const field = [...(issue?.path ?? []), ...(unknownKey === undefined ? [] : [unknownKey])].join(".");
  const message = unknownKey === undefined ? (issue?.message ?? "not readable") : "there is no such field";
  const details = {
    issues: parsed.error.issues.map(({ path, message: text }) => ({ path: path.join("."), message: text })),
  };
  const options = field === "" ? { details } : { field, details };
  return {
    error: new FailureError(failure("bad_request", `${field === "" ? `The ${part}` : field}: ${message}`, options)),
  };
}

const contentSecurity = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

export function setSecurityHeaders(response: ServerResponse, https: boolean): void {
  response.setHeader("content-security-policy", contentSecurity);
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("x-frame-options", "DENY");
  response.setHeader("referrer-policy", "same-origin");
  response.setHeader("cross-origin-opener-policy", "same-origin");
  response.setHeader("cross-origin-resource-policy", "same-origin");
  response.setHeader("cache-control", "no-store");
  if (https) response.setHeader("strict-transport-security", "max-age=31536000");
}

/** Aborted when the answer is complete, the client has left, or the server is `closing`. */
export function left(reply: FastifyReply, closing: AbortSignal): AbortSignal {
  const gone = new AbortController();
  const abort = () => gone.abort();
  if (closing.aborted) abort();
  closing.addEventListener("abort", abort, { once: true });
  reply.raw.once("close", () => {
    closing.removeEventListener("abort", abort);
    abort();
  });
  return gone.signal;
}
