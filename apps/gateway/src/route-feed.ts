// Keeps the routes in memory equal to those in Redis: listens first, then lists, and does both again after every reconnect. A Redis
// that forgot routes takes none away from those who use them: they stay until the runner has written every route again.
import { redisKeys, Route, RouteChange, ROUTES_CHANNEL, RoutesRebuilt } from "@gitspaces/contracts";
import { backoff, type Logger } from "@gitspaces/daemon";
import type { Redis } from "ioredis";
import type { Routes } from "./routes.ts";

type Feed = { commands: Redis; subscriber: Redis; routes: Routes; log: Logger; graceMs?: number };

/**
 * How long routes that Redis forgot are served while no runner says anything. What they lead to is pinned by the agent's key, so a
 * VM in another's place gets nothing.
 */
const GRACE_MS = 10 * 60_000;

export class RouteFeed implements AsyncDisposable {
  readonly #feed: Feed;
  readonly #stop = new AbortController();
  #isCurrent = false;
  /** Counts the subscriber's connections: a listing counts only if the one that heard its beginning is still there. */
  #life = 0;
  #listing: Promise<void> | undefined;
  /** How many listings were wanted, and which of them the routes in memory are as new as. */
  #wanted = 1;
  #listed = 0;
  #grace: NodeJS.Timeout | undefined;
  #isGraceOver = false;

  constructor(feed: Feed) {
    this.#feed = feed;
    const { subscriber } = feed;
    subscriber.on("message", (_channel: string, text: string) => this.#hear(text));
    subscriber.on("ready", () => this.#follow());
    subscriber.on("close", () => {
      this.#life++;
      this.#isCurrent = false;
    });
    if (subscriber.status === "ready") this.#follow();
  }

  /** Whether every route of Redis is known and changes are heard. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  #hear(text: string): void {
    if (read(RoutesRebuilt, text) !== undefined) return this.#listAgain();
    const change = read(RouteChange, text);
    if (change === undefined) this.#feed.log.warn("a route change that is not one was left out");
    else if (this.#feed.routes.apply(change)) {
      const { gitspaceId, generation } = change.change === "set" ? change.route : change;
      this.#feed.log.info({ gitspaceId, generation, change: change.change }, "route changed");
    }
  }

  #listAgain(): void {
    this.#wanted++;
    this.#follow();
  }

  #follow(): void {
    this.#listing ??= this.#catchUp()
      .catch((err: unknown) => {
        if (!this.#stop.signal.aborted) this.#feed.log.error({ err }, "routes are no longer followed");
      })
      .finally(() => {
        this.#listing = undefined;
      });
  }

  async #catchUp(): Promise<void> {
    const pause = backoff({ firstMs: 50, maxMs: 2_000, signal: this.#stop.signal });
    while (!this.#isCurrent || this.#listed < this.#wanted) {
      try {
        const [life, wanted] = [this.#life, this.#wanted];
        await this.#feed.subscriber.subscribe(ROUTES_CHANNEL);
        await this.#take();
        if (life !== this.#life) continue;
        this.#isCurrent = true;
        this.#listed = wanted;
        this.#feed.log.info({ routes: this.#feed.routes.size }, "routes loaded");
      } catch (err) {
        this.#stop.signal.throwIfAborted();
        this.#feed.log.debug({ err }, "routes could not be loaded yet");
        await pause.wait();
      }
    }
  }

  async #take(): Promise<void> {
    const { routes, log, graceMs = GRACE_MS } = this.#feed;
    const { moment } = routes;
    const wasWhole = await this.#isWhole();
    const listing = await this.#list();
    if (this.#isGraceOver || (wasWhole && (await this.#isWhole()))) {
      clearTimeout(this.#grace);
      this.#grace = undefined;
      this.#isGraceOver = false;
      return routes.replaceAll(listing, moment);
    }
    routes.addAll(listing, moment);
    if (this.#grace !== undefined) return;
    log.warn(
      { routes: routes.size, listed: listing.length },
      "Redis may have lost routes; those known are kept for now",
    );
    this.#grace = setTimeout(() => {
      this.#isGraceOver = true;
      this.#listAgain();
    }, graceMs).unref();
  }

  /** Whether a runner has compared the records in this very Redis process, so that a route that is missing is gone. */
  async #isWhole(): Promise<boolean> {
    const [info, comparedIn] = await Promise.all([
      this.#feed.commands.info("server"),
      this.#feed.commands.get(redisKeys.whole("records")),
    ]);
    return comparedIn !== null && comparedIn === (/^run_id:([0-9a-f]+)/m.exec(info)?.[1] ?? "-");
  }

  async #list(): Promise<Route[]> {
    const found = new Map<string, Route>();
    for (let cursor = "0", first = true; first || cursor !== "0"; first = false) {
      const [next, keys] = await this.#feed.commands.scan(cursor, "MATCH", redisKeys.route("*"), "COUNT", 500);
      cursor = next;
      if (keys.length === 0) continue;
      for (const text of await this.#feed.commands.mget(keys)) {
        const route = text === null ? undefined : read(Route, text);
        if (route !== undefined) found.set(route.gitspaceId, route);
      }
    }
    return [...found.values()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#grace);
    await this.#listing;
  }
}

function read<T>(schema: { safeParse(value: unknown): { success: boolean; data?: T } }, text: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
