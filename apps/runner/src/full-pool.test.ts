import { createLog } from "@gitspaces/daemon";
import { expect, test } from "vitest";
import { claimStore } from "./claim-store.ts";
import { redisMemory } from "./redis-memory.ts";
import { startRedis } from "./testing/redis-server.ts";
import { vmStore } from "./vm-store.ts";

const pool = { name: "default", type: "process", warm: 0, max: 2, image: "default", isDefault: true } as const;

test("I4: a pool that was full a moment ago is not full for a claim when a VM of the stock has got a slot since", async () => {
  await using server = await startRedis();
  const redis = server.connect();
  await redisMemory(redis).vouchAfter(() => Promise.resolve(true));
  const [claims, store] = [claimStore(redis), vmStore(redis, createLog("test", "silent"))];
  const reserve = async (gitspaceId: string) =>
    await claims.reserve({ gitspaceId, generation: 1, id: `task-${gitspaceId}` }, pool, 1);

  const [first] = [await reserve("a"), await reserve("b")];
  expect((await reserve("c")).outcome).toBe("full");
  expect((await reserve("c")).outcome).toBe("full");
  if (!("id" in first)) throw new Error("the first claim got nothing");
  await store.forget(first.id, pool.name, "a");
  expect(await store.addStock("default-stock", pool, 1)).toBe(true);
  expect((await reserve("c")).outcome).toBe("coming");
});
