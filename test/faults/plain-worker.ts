// A worker as BullMQ's guide has it, whose work takes a second and leaves a trace: `node plain-worker.ts <redis url> <name>`.
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "bullmq";
import { Redis } from "ioredis";

const [, , url = "", name = ""] = process.argv;
const redis = new Redis(url, { maxRetriesPerRequest: null });
const worker = new Worker(
  "plain",
  async () => {
    process.send?.("begun");
    await sleep(1_000);
    await redis.rpush("deeds", name);
  },
  { connection: redis, lockDuration: 1_000, stalledInterval: 300 },
);
worker.on("error", () => undefined);
await worker.waitUntilReady();
process.send?.("ready");
