// The `http-proxy` engine, fenced: it moves bodies, we decide headers, answers, aborts and which sockets it may use.
import { Agent, type ClientRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream";
import { FailureError, fail } from "@gitspaces/contracts";
import httpProxy from "http-proxy";
import type { Ending } from "./ending.ts";
import type { Forwarder, Upstream } from "./forwarder.ts";
import { type HeaderPolicy, pairs } from "./header-policy.ts";
import { type Framing, framingOf, isRepeatable } from "./request-framing.ts";
import { upgradeThrough } from "./upgrade.ts";
import { brokeOff, finalHead } from "./upstream-answer.ts";

/** A pool of sockets of one upstream; the tunnel stands where the network would. */
class TunnelAgent extends Agent {
  readonly #upstream: Upstream;

  constructor(upstream: Upstream) {
    // As many as there are visits, which the edge limits: here a request would wait for another's stream to end, untold.
    super({ keepAlive: true, maxFreeSockets: 16, scheduling: "lifo" });
    this.#upstream = upstream;
    upstream.ended.addEventListener("abort", () => this.destroy(), { once: true });
  }

  override createConnection(_options: unknown, done?: (error: Error | null, socket: Duplex) => void): undefined {
    this.#upstream.dial(this.#upstream.ended).then(
      (socket) => {
        // A pooled socket whose other side has ended is of no use to anybody.
        socket.allowHalfOpen = false;
        done?.(null, socket);
      },
      (error: unknown) => done?.(error as Error, undefined as never),
    );
  }
}

type AddRequest = { addRequest(request: ClientRequest, options: object): void };
/** `stale`: the pooled socket had died before it was used, and nothing of the request was lost. */
type Outcome = "done" | "stale";

/** A forwarder by http-proxy 1.x. Known to lose interim answers (100, 103) and trailers. */
export function httpProxyForwarder(): Forwarder {
  const proxy = httpProxy.createProxyServer({});
  const agents = new WeakMap<Upstream, TunnelAgent>();
  const agentOf = (upstream: Upstream): TunnelAgent => {
    const agent = agents.get(upstream) ?? new TunnelAgent(upstream);
    agents.set(upstream, agent);
    return agent;
  };
  return {
    async forward(request, response, upstream, policy, signal) {
      while ((await attempt(proxy, agentOf(upstream), request, response, upstream, policy, signal)) === "stale");
      return undefined;
    },
    upgrade: upgradeThrough,
  };
}

function attempt(
  proxy: httpProxy,
  agent: TunnelAgent,
  request: IncomingMessage,
  response: ServerResponse,
  upstream: Upstream,
  policy: HeaderPolicy,
  signal: Ending,
): Promise<Outcome> {
  // http-proxy takes framing headers away from some methods, so what the client said is read before.
  const framing = framingOf(request);
  return new Promise((resolve, reject) => {
    const ends: Ending[] = [signal, upstream.ended];
    let outgoing: ClientRequest | undefined;
    const leave = (): void => {
      outgoing?.destroy();
      if (response.headersSent) response.destroy();
      else broke(fail("vm_unreachable", "The Gitspace moved while it was asked."));
    };
    const onClientClose = (): void => {
      outgoing?.destroy();
      settle();
      resolve("done");
    };
    const settle = (): void => {
      for (const each of ends) each.removeEventListener("abort", leave);
      response.off("close", onClientClose);
    };
    const broke = (error: Error): void => {
      settle();
      request.unpipe();
      // What is left of a body is read away, so that the client hears its answer and may ask again.
      request.resume();
      if (response.headersSent) {
        response.destroy();
        return resolve("done");
      }
      const known = error instanceof FailureError;
      // A failure of ours tells that the server did say something: that is no socket which had died before.
      if (
        !known &&
        outgoing?.reusedSocket === true &&
        isRepeatable(request, framing) &&
        !ends.some(({ aborted }) => aborted) &&
        !response.destroyed
      )
        return resolve("stale");
      reject(known ? error : brokeOff("The connection to the Gitspace broke before it answered.", error));
    };
    for (const each of ends) each.addEventListener("abort", leave, { once: true });
    response.once("close", onClientClose);
    if (ends.some(({ aborted }) => aborted)) return leave();

    // http-proxy hands its request to the agent in the same turn: the one moment when all of it can still be set right.
    const seat: AddRequest = {
      addRequest(asked, options) {
        outgoing = asked;
        asked.path = request.url ?? "/";
        setHeaders(asked, request, policy, framing);
        // Without a listener Node drops an upgrade that nobody asked for in silence, and the client would wait for ever.
        asked.once("upgrade", (_answer, socket) => {
          socket.destroy();
          broke(brokeOff("The server inside switched protocols without being asked to."));
        });
        asked.once("response", (answer) => {
          try {
            answerClient(answer, response, policy);
          } catch (error) {
            // An answer that can not be given again; an error that leaves this listener would end everybody's gateway.
            answer.destroy();
            broke(error as Error);
          }
        });
        (agent as unknown as AddRequest).addRequest(asked, options);
      },
    };
    // It would be passed on without its answer ever coming back, so it is answered here.
    if (request.headers.expect !== undefined && !response.headersSent) response.writeContinue();
    delete request.headers.expect;
    const target = { protocol: "http:", host: "gitspace", port: 80 };
    proxy.web(request, response, { target, agent: seat, selfHandleResponse: true, toProxy: true }, broke);
  });
}

/** http-proxy's own headers give way to the policy's. Framing is ours: chunked when the client's was, else its length. */
function setHeaders(asked: ClientRequest, request: IncomingMessage, policy: HeaderPolicy, framing: Framing): void {
  for (const name of asked.getHeaderNames()) asked.removeHeader(name);
  const grouped = new Map<string, { name: string; values: string[] }>();
  for (const [name, value] of pairs(policy.request(request.rawHeaders))) {
    const group = grouped.get(name.toLowerCase());
    if (group === undefined) grouped.set(name.toLowerCase(), { name, values: [value] });
    else group.values.push(value);
  }
  for (const { name, values } of grouped.values())
    asked.setHeader(name, values.length === 1 ? (values[0] ?? "") : values);
  asked.setHeader("Connection", "keep-alive");
  if (framing === "chunked") asked.setHeader("Transfer-Encoding", "chunked");
}

/** Streams the answer; a death on either side is a death on the other. */
function answerClient(answer: IncomingMessage, response: ServerResponse, policy: HeaderPolicy): void {
  if (response.destroyed) return void answer.destroy();
  const { status, reason } = finalHead(answer);
  response.writeHead(status, reason, policy.response(answer.rawHeaders));
  if (answer.headers["content-length"] === undefined) response.flushHeaders();
  pipeline(answer, response, (error) => {
    if (error != null) response.destroy();
  });
}
