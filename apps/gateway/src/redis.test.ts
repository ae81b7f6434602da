import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createLog } from "@gitspaces/daemon";
import type { Redis } from "ioredis";
import { expect, test } from "vitest";
import { connectRedis } from "./redis.ts";
import { startRedis } from "./testing/redis-server.ts";

/** A way to Redis that can fall silent on the connections it has, as when the machine behind them is gone. */
async function openWay(port: number) {
  const ends = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ host: "127.0.0.1", port });
    for (const end of [near, far]) {
      ends.add(end);
      end.on("error", () => undefined);
    }
    near.pipe(far).pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fallSilent: () => {
      for (const end of ends) end.unpipe().pause();
    },
    [Symbol.dispose]: () => {
      server.close();
      for (const end of ends) end.destroy();
    },
  };
}

async function answersAgain(redis: Redis): Promise<void> {
  for (const end = performance.now() + 12_000; ; ) {
    const answered = await redis.ping().catch((error: Error) => error);
    if (!(answered instanceof Error)) return;
    if (performance.now() > end) throw new Error("it never answered again", { cause: answered });
    await sleep(50);
  }
}

test("I14 E6: a connection that falls silent is left for another, for commands and for news", async () => {
  await using redis = await startRedis();
  using way = await openWay(redis.port);
  const place = { url: way.url, password: undefined };
  const log = createLog("test", "silent");
  const [commands, subscriber] = [connectRedis(place, log, "commands"), connectRedis(place, log, "subscriber")];
  await Promise.all([once(commands, "ready"), once(subscriber, "ready")]);
  await subscriber.subscribe("news");
  await commands.set("key", "value");
  way.fallSilent();
  await Promise.all([commands, subscriber].map(answersAgain));
  expect(await commands.get("key")).toBe("value");
  for (const each of [commands, subscriber]) each.disconnect();
});
