// A control plane for tests: speaks the delegate protocol over real HTTP, checks the token, and misbehaves on request.
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { TaskEvent, WireTask } from "@gitspaces/contracts";
import { type JWTPayload, jwtDecrypt } from "jose";
import { misbehave, send, type Verdict } from "./misbehaviour.ts";

export const SECRET = "00112233445566778899aabbccddeeff";
export const ACCOUNT = "account-1";

export type Recorded = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: string;
  token: JWTPayload;
};
type Offered = { wire: WireTask; copies: number; holder?: string; closed: boolean; again: boolean };

export class TestControlPlane {
  readonly requests: Recorded[] = [];
  /** Every body that arrived as the answer of a task, also those that were not acknowledged. */
  readonly answers = new Map<string, string[]>();
  /** Every event that arrived, in order of arrival. */
  readonly events = new Map<string, TaskEvent[]>();
  readonly tasks = new Map<string, Offered>();
  /** Decides before anything is done. What only changes the form of an answer is left to `interceptAfter`. */
  intercept: (request: Recorded) => Verdict = () => undefined;
  /** Like `intercept`, after the request took effect. */
  interceptAfter: (request: Recorded) => Verdict = () => undefined;
  /** Whether `waitMs` is understood. */
  holds = true;
  /** The order in which offers are listed. */
  order = <T>(offers: T[]): T[] => offers;
  url = "";
  #known = new Set<string>();
  #registered = 0;
  #cancelled: string[] = [];
  #bells = new Set<() => void>();
  #server = createServer();

  /** Listens, by https when a certificate is given, which may be another one than before. */
  async open(port = 0, tls?: { key: string; cert: string }): Promise<this> {
    const serve = (request: IncomingMessage, response: ServerResponse) => {
      this.#serve(request, response).catch(() => response.destroy());
    };
    this.#server = tls === undefined ? createServer(serve) : createSecureServer(tls, serve);
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    const scheme = tls === undefined ? "http" : "https";
    this.url = `${scheme}://control-plane.localhost:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  /** Goes away; `open(port)` brings it back. */
  async close(): Promise<number> {
    const { port } = this.#server.address() as AddressInfo;
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    return port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.close();
  }

  /** Offers a task; each answer that lists it lists it `copies` times. */
  offer(wire: WireTask, copies = 1): void {
    this.tasks.set(wire.id, { wire, copies, closed: false, again: false });
    this.#ring();
  }

  /** Lists a task once more, whoever holds it and whether it was answered or not; perhaps with another body. */
  offerAgain(id: string, wire?: WireTask): void {
    const task = this.tasks.get(id);
    if (task === undefined) throw new Error("offer it first");
    task.again = true;
    if (wire !== undefined) task.wire = wire;
    this.#ring();
  }

  cancel(id: string): void {
    this.#cancelled.push(id);
    this.#ring();
  }

  forgetDelegates(): void {
    this.#known.clear();
    this.#ring();
  }

  /** Waits until `check` holds, looking after each request. */
  async until(check: () => boolean, limitMs = 10_000): Promise<void> {
    const by = performance.now() + limitMs;
    while (!check()) {
      if (performance.now() > by) throw new Error(`not so within ${limitMs} ms: ${check.toString()}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async answered(id: string, limitMs?: number): Promise<string> {
    await this.until(() => this.tasks.get(id)?.closed === true, limitMs);
    return this.answers.get(id)?.at(-1) ?? "";
  }

  to(method: string, part: string): Recorded[] {
    return this.requests.filter((each) => each.method === method && each.path.includes(part));
  }

  #ring(): void {
    for (const bell of this.#bells) bell();
    this.#bells.clear();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://control-plane");
    const body = await text(request);
    const [, sealed] = /^Delegate (\S+)$/.exec(request.headers.authorization ?? "") ?? [];
    const opened = await jwtDecrypt(sealed ?? "", Buffer.from(SECRET, "hex"), {
      keyManagementAlgorithms: ["dir"],
      contentEncryptionAlgorithms: ["A128GCM"],
      subject: ACCOUNT,
    }).catch(() => undefined);
    if (opened === undefined || url.searchParams.get("accountId") !== ACCOUNT) return await send(response, 401);
    const { pathname: path, searchParams: query } = url;
    const recorded = {
      method: request.method ?? "",
      path,
      query,
      headers: request.headers,
      body,
      token: opened.payload,
    };
    this.requests.push(recorded);
    if (misbehave(response, this.intercept(recorded))) return;
    const [status, answer] = await this.#answer(recorded, response);
    const verdict = this.interceptAfter(recorded);
    if (misbehave(response, verdict)) return;
    if (status === 200) this.#acknowledge(recorded);
    await send(response, status, answer, verdict);
  }

  async #answer({ method, path, query, body }: Recorded, response: ServerResponse): Promise<[number, unknown?]> {
    const route = `${method} ${path.replaceAll(/\/(?:d-\d+|[0-9a-f-]{36})(?=\/|$)/g, "/:id")}`;
    const [, delegate = ""] = /\/(d-\d+)(?:\/|$)/.exec(path) ?? [];
    const [, taskId = ""] = /\/([0-9a-f-]{36})(?:\/|$)/.exec(path) ?? [];
    const task = this.tasks.get(taskId);
    if (delegate !== "" && !this.#known.has(delegate)) return [404];
    switch (route) {
      case "POST /api/agent/delegates/register":
        return [200, { resource: { delegateId: this.#register(body), extra: "ignored" } }];
      case "POST /api/agent/delegates/heartbeat-with-polling":
        return [this.#known.has((JSON.parse(body) as { delegateId: string }).delegateId) ? 204 : 404];
      case "GET /api/agent/delegates/:id/task-events":
        return [200, await this.#taskEvents(delegate, this.holds ? Number(query.get("waitMs") ?? 0) : 0, response)];
      case "PUT /api/agent/v2/delegates/:id/tasks/:id/acquire":
        if (task === undefined) return [404];
        if ((task.holder ?? delegate) !== delegate) return [409];
        task.holder = delegate;
        return [200, task.wire];
      case "POST /api/agent/v2/tasks/:id/delegates/:id":
      case "POST /api/executions/:id/response":
        if (task === undefined) return [404];
        this.answers.set(taskId, [...(this.answers.get(taskId) ?? []), body]);
        return [200];
      case "POST /api/agent/v2/tasks/:id/events":
        this.events.set(taskId, [
          ...(this.events.get(taskId) ?? []),
          ...(JSON.parse(body) as { events: TaskEvent[] }).events,
        ]);
        return [200];
      default:
        return [404];
    }
  }

  #acknowledge({ path }: Recorded): void {
    const [, taskId = ""] =
      /\/tasks\/([^/]+)\/delegates\/|\/executions\/([^/]+)\/response/.exec(path)?.filter(Boolean) ?? [];
    const task = this.tasks.get(taskId);
    if (task !== undefined) task.closed = true;
  }

  #register(body: string): string {
    const { delegateId } = JSON.parse(body) as { delegateId?: string };
    const id = delegateId ?? `d-${++this.#registered}`;
    this.#known.add(id);
    return id;
  }

  async #taskEvents(delegate: string, waitMs: number, response: ServerResponse): Promise<unknown> {
    const due = () =>
      [...this.tasks.values()].filter((task) => task.again || (task.holder === undefined && !task.closed));
    if (due().length === 0 && this.#cancelled.length === 0 && waitMs > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, waitMs);
      this.#bells.add(resolve);
      response.once("close", resolve);
      await promise.finally(() => clearTimeout(timer));
    }
    const delegateTaskEvents = due().flatMap((task) => {
      task.again = false;
      const event = { accountId: ACCOUNT, delegateTaskId: task.wire.id, sync: false, taskType: task.wire.type };
      return Array.from({ length: task.copies }, () => event);
    });
    const cancelledTaskIds = this.#cancelled.splice(0);
    return {
      delegateTaskEvents: this.order(delegateTaskEvents),
      ...(cancelledTaskIds.length === 0 ? {} : { cancelledTaskIds }),
    };
  }
}
