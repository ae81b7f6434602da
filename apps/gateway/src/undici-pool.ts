// The pool of sockets of one upstream. The tunnel stands where the network would; with the upstream its sockets end.
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import type * as undici from "undici";
import type { Dispatcher } from "undici";
import type { Upstream } from "./forwarder.ts";

// Its parts alone: the whole library brings fetch, caches and WebSockets along, 10 MB that nobody here uses.
const part = createRequire(import.meta.url);
const Client = part("undici/lib/dispatcher/client.js") as typeof undici.Client;
const Pool = part("undici/lib/dispatcher/pool.js") as typeof undici.Pool;

/** What Linux takes in one go over a fast path: fewer pauses for the same bytes, and a bound on what waits. */
const HIGH_WATER_MARK = 256 * 1024;
const IDLE_MS = 55_000;
const HEAD_BYTES = 64 * 1024;

/** One socket at a time, and how many answers the present one has given. */
export class Lane extends Client {
  answered = 0;

  constructor(origin: URL, options: undici.Client.Options, upstream: Upstream) {
    const connect = (_options: unknown, done: (error: Error | null, socket: Socket | null) => void): void => {
      upstream.dial(upstream.ended).then(
        (socket) => {
          // A pooled socket whose other side has ended is of no use to anybody.
          socket.allowHalfOpen = false;
          widen(socket);
          this.answered = 0;
          done(null, socket);
        },
        (error: unknown) => done(error as Error, null),
      );
    };
    super(origin, { ...options, connect: connect as NonNullable<undici.Client.Options["connect"]> });
  }

  /** Tells the handler which lane it is in. */
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    (handler as LaneHandler).lane = this;
    return super.dispatch(options, handler);
  }
}

export type LaneHandler = Dispatcher.DispatchHandler & { lane: Lane | undefined };

/** Gives the one pool of an upstream. It has no timeouts of its own: a long poll may take as long as its client stays. */
export function upstreamPools(): (upstream: Upstream) => undici.Pool {
  const pools = new WeakMap<Upstream, undici.Pool>();
  return (upstream) => pools.get(upstream) ?? add(upstream);

  function add(upstream: Upstream): undici.Pool {
    const pool = new Pool("http://gitspace", {
      // As many as there are visits, which the edge limits: here a request would wait for another's stream to end, untold.
      connections: null,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: IDLE_MS,
      maxHeaderSize: HEAD_BYTES,
      allowH2: false,
      factory: (origin, options) => new Lane(origin, options, upstream),
    });
    pools.set(upstream, pool);
    const end = (): void => void pool.destroy();
    if (upstream.ended.aborted) end();
    else upstream.ended.addEventListener("abort", end, { once: true });
    return pool;
  }
}

/** Whoever dials may have made the socket with Node's 64 KB; there is no public way to change that afterwards. */
function widen(socket: Socket): void {
  const { _readableState, _writableState } = socket as unknown as Record<string, { highWaterMark: number }>;
  for (const state of [_readableState, _writableState]) if (state !== undefined) state.highWaterMark = HIGH_WATER_MARK;
}
