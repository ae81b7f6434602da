// The admin listener of a daemon, on loopback: is it alive, can it do its work, and its figures.
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Address } from "./config.ts";
import type { Logger } from "./log.ts";

/** A check throws when its part can not do its work; the message is the reason shown. */
export type Checks = Record<string, () => Promise<void> | void>;

type Options = {
  listen: Address;
  log: Logger;
  name: string;
  checks: Checks;
  /** Makes the server listen, where that is more than binding `listen`. */
  bind?: (server: Server, listen: Address) => Promise<unknown>;
};
const CHECK_DEADLINE_MS = 3_000;
const LOOP_PRECISION_MS = 100;

/** Serves `/healthz`, `/readyz` (503 with the reasons when a check fails) and `/metrics` (prom-client's default registry). */
export async function startAdmin({
  listen,
  log,
  name,
  checks,
  bind = bindTo,
}: Options): Promise<{ address: Address } & AsyncDisposable> {
  const server = createServer((request, response) => {
    const answering = answer(request.url ?? "/", response, name, checks);
    answering.catch((err: unknown) => {
      log.error({ err }, "admin request failed");
      response.destroy();
    });
  });
  await bind(server, listen);
  const { port } = server.address() as AddressInfo;
  return {
    address: { host: listen.host, port },
    async [Symbol.asyncDispose]() {
      const closed = server.listening ? once(server, "close") : undefined;
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function bindTo(server: Server, { port, host }: Address): Promise<void> {
  server.listen(port, host);
  await once(server, "listening");
}

async function answer(url: string, response: ServerResponse, name: string, checks: Checks): Promise<void> {
  if (url === "/healthz") return send(response, 200, { status: "ok", name });
  if (url === "/readyz") {
    const reasons = await failing(checks);
    return send(response, Object.keys(reasons).length === 0 ? 200 : 503, {
      ready: Object.keys(reasons).length === 0,
      name,
      reasons,
    });
  }
  if (url === "/metrics") {
    const { collectDefaultMetrics, register } = await import("prom-client");
    // Of the process itself only once somebody asks: measuring the event loop wakes an idle daemon.
    if (register.getSingleMetric("process_open_fds") === undefined)
      collectDefaultMetrics({ eventLoopMonitoringPrecision: LOOP_PRECISION_MS });
    response.writeHead(200, { "content-type": register.contentType }).end(await register.metrics());
    return;
  }
  return send(response, 404, { error: "only /healthz, /readyz and /metrics are here" });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}

async function failing(checks: Checks): Promise<Record<string, string>> {
  const reasons: Record<string, string> = {};
  await Promise.all(
    Object.entries(checks).map(async ([part, check]) => {
      try {
        await withDeadline(Promise.resolve().then(check));
      } catch (error) {
        reasons[part] = (error as Error).message;
      }
    }),
  );
  return reasons;
}

async function withDeadline(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_DEADLINE_MS} ms`)), CHECK_DEADLINE_MS);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
