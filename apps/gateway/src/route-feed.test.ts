import { once } from "node:events";
import { redisKeys, type Route, ROUTES_CHANNEL } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import type { Redis } from "ioredis";
import { expect, test } from "vitest";
import { connectRedis } from "./redis.ts";
import { RouteFeed } from "./route-feed.ts";
import { Routes } from "./routes.ts";
import { startRedis } from "./testing/redis-server.ts";
import { until } from "./testing/street.ts";

const log = createLog("test", "silent");
const route = (generation: number): Route => ({
  gitspaceId: "hello-k3v9x2",
  generation,
  instanceId: "vm-1",
  address: "10.0.0.1",
  port: 8083,
  keyFingerprint: "f",
});

test("changes are heard although the subscription was lost in the middle of a listing", async () => {
  await using redis = await startRedis();
  const place = { url: redis.url, password: undefined };
  const [commands, subscriber] = [connectRedis(place, log, "commands"), connectRedis(place, log, "subscriber")];
  await Promise.all([once(commands, "ready"), once(subscriber, "ready")]);
  await redis.client.set(redisKeys.route("hello-k3v9x2"), JSON.stringify(route(1)));
  let listings = 0;
  const listing = {
    async scan(...args: Parameters<Redis["scan"]>) {
      if (listings++ === 0) {
        const again = once(subscriber, "ready");
        await redis.client.call("CLIENT", "KILL", "TYPE", "pubsub");
        await again;
      }
      return await commands.scan(...args);
    },
    mget: (keys: string[]) => commands.mget(keys),
  };
  const routes = new Routes();
  {
    await using feed = new RouteFeed({ commands: listing as unknown as Redis, subscriber, routes, log });
    await until(() => feed.isCurrent, "routes are current");
    await redis.client.publish(ROUTES_CHANNEL, JSON.stringify({ change: "set", route: route(2) }));
    await until(() => routes.find("hello-k3v9x2")?.route.generation === 2, "the change was heard");
    expect(listings).toBeGreaterThan(1);
  }
  for (const each of [commands, subscriber]) each.disconnect();
});
