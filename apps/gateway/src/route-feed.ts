// Keeps the routes in memory equal to those in Redis: listens first, then lists, and does both again after every reconnect.
import { redisKeys, Route, RouteChange, ROUTES_CHANNEL } from "@gitspaces/contracts";
import { backoff, type Logger } from "@gitspaces/daemon";
import type { Redis } from "ioredis";
import type { Routes } from "./routes.ts";

type Feed = { commands: Redis; subscriber: Redis; routes: Routes; log: Logger };

export class RouteFeed implements AsyncDisposable {
  readonly #feed: Feed;
  readonly #stop = new AbortController();
  #isCurrent = false;
  /** Counts the subscriber's connections: a listing counts only if the one that heard its beginning is still there. */
  #life = 0;
  #listing: Promise<void> | undefined;

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
    const change = read(RouteChange, text);
    if (change === undefined) this.#feed.log.warn("a route change that is not one was left out");
    else if (this.#feed.routes.apply(change)) {
      const { gitspaceId, generation } = change.change === "set" ? change.route : change;
      this.#feed.log.info({ gitspaceId, generation, change: change.change }, "route changed");
    }
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
    while (!this.#isCurrent) {
      try {
        const life = this.#life;
        await this.#feed.subscriber.subscribe(ROUTES_CHANNEL);
        const { moment } = this.#feed.routes;
        this.#feed.routes.replaceAll(await this.#list(), moment);
        if (life !== this.#life) continue;
        this.#isCurrent = true;
        this.#feed.log.info({ routes: this.#feed.routes.size }, "routes loaded");
      } catch (err) {
        this.#stop.signal.throwIfAborted();
        this.#feed.log.debug({ err }, "routes could not be loaded yet");
        await pause.wait();
      }
    }
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
