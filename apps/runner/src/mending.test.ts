import { redisKeys } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import type { Vm } from "@gitspaces/vm-pool";
import { afterAll, beforeEach, expect, test } from "vitest";
import { claimStore } from "./claim-store.ts";
import { mending } from "./mending.ts";
import { recordSurvey } from "./record-survey.ts";
import { startRedis } from "./testing/redis-server.ts";
import { vmStore } from "./vm-store.ts";

const HELLO = "hello-k3v9x2";
const server = await startRedis();
afterAll(async () => await server[Symbol.asyncDispose]());
const redis = server.connect();
const [claims, store, mender] = [claimStore(redis), vmStore(redis, createLog("runner", "silent")), mending(redis)];
beforeEach(async () => void (await redis.flushall()));

const vm: Vm & { power: "making" } = { id: "default-a", pool: "default", createdAt: 1, owner: null, power: "making" };
const owned: Vm = { ...vm, owner: { gitspaceId: HELLO, generation: 2, taskId: "t" } };
const reach = { address: "127.0.0.1", port: "1", key: "k", version: "1" };
async function onRecord(over: Record<string, string | number> = {}): Promise<void> {
  const { id, pool, createdAt } = vm;
  await redis.hset(redisKeys.vm(id), {
    id,
    pool,
    createdAt,
    power: "running",
    agent: "ready",
    owner: "",
    ...reach,
    ...over,
  });
}
const ofHello = { owner: HELLO, generation: 2, task: "t" };
const warm = async () => await redis.zrange(redisKeys.warm("default"), "0", "-1");

test("I4: a ready VM without slot is stock again, and counts", async () => {
  await onRecord();
  expect(await mender.mend(vm)).toBe("sound");
  expect(await redis.hgetall(redisKeys.slots("default"))).toEqual({ "default-a": "" });
  expect(await warm()).toEqual(["default-a"]);
});

test("I1: an owned VM among the warm ones leaves them, and its lost claim is restored", async () => {
  await onRecord(ofHello);
  await redis.zadd(redisKeys.warm("default"), 1, "default-a");
  expect(await mender.mend(owned)).toBe("sound");
  expect(await warm()).toEqual([]);
  expect(await claims.get(HELLO)).toMatchObject({ vm: "default-a", generation: 2 });
});

test("I1: a VM that was claimed since it was looked at keeps its claim, and nobody else gets one", async () => {
  await onRecord(ofHello);
  await redis.hset(redisKeys.claim(HELLO), { vm: "default-a", generation: 2 });
  expect(await mender.mend(vm)).toBe("sound");
  expect(await redis.keys(redisKeys.claim("*"))).toEqual([redisKeys.claim(HELLO)]);
  expect(await redis.hget(redisKeys.slots("default"), "default-a")).toBe(HELLO);
  expect(await redis.hget(redisKeys.vm("default-a"), "power")).toBe("running");
});

test.each([
  ["holds another VM", { vm: "default-b" }],
  ["was stopped", { generation: "2", stopped: "2" }],
  ["was deleted", { destroyed: "3" }],
])("I3: a VM whose Gitspace %s is on its way out", async (_why, claim) => {
  await onRecord(ofHello);
  await redis.hset(redisKeys.claim(HELLO), claim);
  expect(await mender.mend(owned)).toBe("ended");
  expect(await redis.hget(redisKeys.vm("default-a"), "power")).toBe("deleting");
});

test("I3: a start that came after the stop keeps the VM whose claim is older than both", async () => {
  await onRecord(ofHello);
  await redis.hset(redisKeys.claim(HELLO), { generation: 3, stopped: 2 });
  expect(await mender.mend(owned)).toBe("sound");
  await redis.del(redisKeys.vm("default-a"));
  await redis.hdel(redisKeys.claim(HELLO), "vm");
  const labelled = { ...owned, ...reach, port: 1, keyFingerprint: "k", isReady: true };
  expect(await store.adopt({ ...labelled, seenGeneration: 3 })).toBe(true);
});

test("I3: a making is given up only while it is that making still", async () => {
  await onRecord({ ...ofHello });
  expect(await mender.giveUp(owned)).toBe(false);
  await onRecord({ ...ofHello, power: "making", createdAt: 2 });
  expect(await mender.giveUp(owned)).toBe(false);
  await onRecord({ ...ofHello, power: "making" });
  expect(await mender.giveUp(owned)).toBe(true);
});

test("I1: what is condemned cannot be adopted, and what is on record cannot be condemned", async () => {
  expect(await mender.condemn(vm)).toBe(true);
  const found = { ...vm, ...reach, port: 1, keyFingerprint: "k", owner: null, seenGeneration: 0, isReady: true };
  expect(await store.adopt(found)).toBe(false);
  expect(await mender.condemn(vm)).toBe(false);
});

test("I1: a record is dropped for its label only while its owner is the one that was read", async () => {
  await onRecord(ofHello);
  expect(await mender.disown(vm)).toBe(false);
  expect(await mender.disown(owned)).toBe(true);
  expect(await redis.exists(redisKeys.vm("default-a"))).toBe(0);
});

test("I5: a route ends that leads to another VM than the Gitspace holds, and the gateways hear it", async () => {
  const at = { address: "127.0.0.1", port: 1, keyFingerprint: "k" };
  await redis.hset(redisKeys.claim(HELLO), "vm", "default-a");
  await claims.setRoute({ gitspaceId: HELLO, generation: 2, instanceId: "default-a", ...at });
  expect(await mender.endRoute(HELLO)).toBe(false);
  await redis.hset(redisKeys.claim(HELLO), "vm", "default-b");
  const heard = Promise.withResolvers<string>();
  const gateway = server.connect();
  gateway.on("message", (_channel, text) => heard.resolve(text));
  await gateway.subscribe("gs:routes");
  expect(await mender.endRoute(HELLO)).toBe(true);
  expect(JSON.parse(await heard.promise)).toEqual({ change: "removed", gitspaceId: HELLO, generation: 2 });
  expect(await claims.route(HELLO)).toBeUndefined();
});

test("I3: a claim, a slot and a warm entry without a record are found, and so is a record without a slot", async () => {
  await redis.hset(redisKeys.claim(HELLO), "vm", "default-claimed");
  await redis.hset(redisKeys.slots("default"), "default-slot", "");
  await redis.zadd(redisKeys.warm("default"), 1, "default-warm");
  await onRecord();
  const { records, lost } = await recordSurvey(redis, store, claims)(["default"]);
  expect(lost.map(({ id }) => id)).toEqual(["default-claimed", "default-slot", "default-warm"]);
  expect(records).toMatchObject([{ vm: { id: "default-a" }, slot: undefined, isInWarmSet: false }]);
});
