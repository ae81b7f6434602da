import { createLog } from "@gitspaces/daemon";
import { sample } from "fast-check";
import { afterAll, expect, test } from "vitest";
import { fakeProvider } from "./testing/fake-provider.ts";
import { anyHistory, lived, shape } from "./testing/history.ts";
import { redisRecords } from "./testing/records.ts";
import { startRedis } from "./testing/redis-server.ts";

const SCHEDULES = 300;
const seed = Number(process.env["GITSPACES_SEED"] ?? Date.now() % 2 ** 31);
const server = await startRedis();
afterAll(async () => await server[Symbol.asyncDispose]());

test(`I1 I3 I4: real Redis lives every schedule as the records retold in memory do (seed ${seed})`, {
  timeout: 240_000,
}, async () => {
  const redis = server.connect();
  const log = createLog("runner", "silent");
  for (const history of sample(anyHistory, { seed, numRuns: SCHEDULES })) {
    await using provider = fakeProvider({ agents: false });
    const records = async (start: Parameters<typeof redisRecords>[1]) => await redisRecords(redis, start, log);
    const real = await lived(history, { records, provider });
    const retold = await lived(history);
    expect(real.violations, `${JSON.stringify(history)}\n${real.trace.join("\n")}`).toEqual([]);
    expect(shape(real.kept), `${JSON.stringify(history)}\n${real.trace.join("\n")}`).toEqual(shape(retold.kept));
  }
});
