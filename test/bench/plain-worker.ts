// A BullMQ worker as its guide shows it: no settings of its own. It hangs in its job, or does it at once.
import { Worker } from "bullmq";

const [port, manner] = process.argv.slice(2);
const worker = new Worker(
  "contender",
  async () => {
    process.send?.("begun");
    if (manner === "hang") await new Promise(() => undefined);
  },
  { connection: { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null } },
);
await worker.waitUntilReady();
