import { redisKeys, type Route, type RouteChange, ROUTES_CHANNEL, type RoutesRebuilt } from "@gitspaces/contracts";
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

/** A connection that was cut tells of an error first, which `once` of node:events would take for the end. */
const isReady = async (redis: Redis) => await new Promise<void>((resolve) => redis.once("ready", resolve));

test("changes are heard although the subscription was lost in the middle of a listing", async () => {
  await using redis = await startRedis();
  const place = { url: redis.url, password: undefined };
  const [commands, subscriber] = [connectRedis(place, log, "commands"), connectRedis(place, log, "subscriber")];
  await Promise.all([isReady(commands), isReady(subscriber)]);
  await redis.client.set(redisKeys.route("hello-k3v9x2"), JSON.stringify(route(1)));
  let listings = 0;
  const listing = {
    async scan(...args: Parameters<Redis["scan"]>) {
      if (listings++ === 0) {
        const again = isReady(subscriber);
        await redis.client.call("CLIENT", "KILL", "TYPE", "pubsub");
        await again;
      }
      return await commands.scan(...args);
    },
    mget: (keys: string[]) => commands.mget(keys),
    info: (section: string) => commands.info(section),
    get: (key: string) => commands.get(key),
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

async function openFeed(graceMs?: number) {
  const redis = await startRedis();
  const place = { url: redis.url, password: undefined };
  const [commands, subscriber] = [connectRedis(place, log, "commands"), connectRedis(place, log, "subscriber")];
  await Promise.all([isReady(commands), isReady(subscriber)]);
  const vouch = async () => {
    const run = /^run_id:(\w+)/m.exec(await redis.client.info("server"))?.[1] ?? "";
    await redis.client.set(redisKeys.whole("records"), run);
  };
  await vouch();
  await redis.client.set(redisKeys.route("hello-k3v9x2"), JSON.stringify(route(1)));
  const routes = new Routes();
  const grace = graceMs === undefined ? {} : { graceMs };
  const feed = new RouteFeed({ commands, subscriber, routes, log, ...grace });
  await until(() => feed.isCurrent, "routes are current");
  const publish = async (change: RouteChange | RoutesRebuilt) =>
    await redis.client.publish(ROUTES_CHANNEL, JSON.stringify(change));
  const reconnect = async () => {
    const again = isReady(subscriber);
    await redis.client.call("CLIENT", "KILL", "TYPE", "pubsub");
    await again;
    await until(() => feed.isCurrent, "routes are current again");
  };
  const close = async () => {
    await feed[Symbol.asyncDispose]();
    for (const each of [commands, subscriber]) each.disconnect();
    await redis.stop();
  };
  const isServed = () => routes.find("hello-k3v9x2") !== undefined;
  return { redis, routes, isServed, vouch, publish, reconnect, [Symbol.asyncDispose]: close };
}

test("I5 E4: routes that Redis forgot are served until the runner has written every route again, without a break", async () => {
  await using open = await openFeed();
  const ended = open.routes.find("hello-k3v9x2")?.ended;
  await open.redis.client.flushall();
  await open.reconnect();
  expect(open.isServed()).toBe(true);
  await open.redis.client.set(redisKeys.route("hello-k3v9x2"), JSON.stringify(route(1)));
  await open.publish({ change: "set", route: route(1) });
  await open.vouch();
  await open.publish({ change: "rebuilt" });
  await open.reconnect();
  expect(open.isServed()).toBe(true);
  expect(ended?.aborted).toBe(false);
});

test("I5 E4: a route that is still missing when the runner has written every route again is gone", async () => {
  await using open = await openFeed();
  await open.redis.client.flushall();
  await open.reconnect();
  await open.vouch();
  await open.publish({ change: "rebuilt" });
  await until(() => !open.isServed(), "the route is gone");
  expect(open.routes.size).toBe(0);
});

test("I5 E4: routes that Redis forgot are not served for ever without a runner", async () => {
  await using open = await openFeed(300);
  await open.redis.client.flushall();
  await open.reconnect();
  expect(open.isServed()).toBe(true);
  await until(() => !open.isServed(), "the grace is over");
});

test("a removal that was missed while Redis was away counts at once when its records are whole", async () => {
  await using open = await openFeed();
  await open.redis.client.del(redisKeys.route("hello-k3v9x2"));
  await open.reconnect();
  expect(open.isServed()).toBe(false);
});
