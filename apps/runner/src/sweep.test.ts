import { redisKeys } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import { expect, test } from "vitest";
import type { AgentClient } from "./agent-client.ts";
import type { ClaimStore } from "./claim-store.ts";
import { sweeper } from "./sweep.ts";
import { memoryProvider } from "./testing/memory-provider.ts";
import { type Kept, memoryRecords } from "./testing/memory-records.ts";
import { vmRemoval } from "./vm-removal.ts";
import type { VmStore } from "./vm-store.ts";

const COUNT = 1_000;
const AT_ONCE = 16;
const HANGING = "default-7";
const log = createLog("runner", "silent");

/** A pool of warm VMs, whose agents answer as given. */
function swept(status: AgentClient["status"]) {
  const kept: Kept = { hashes: {}, sorted: {}, texts: {} };
  const provider = memoryProvider();
  for (let index = 0; index < COUNT; index++) {
    const id = `default-${index}`;
    const at = { address: "127.0.0.1", port: 1, version: "1", createdAt: index };
    const facts = { id, pool: "default", power: "running", agent: "ready", owner: "", key: "k" };
    kept.hashes[redisKeys.vm(id)] = { ...facts, address: at.address, port: "1", createdAt: String(index) };
    (kept.hashes[redisKeys.slots("default")] ??= {})[id] = "";
    (kept.sorted[redisKeys.warm("default")] ??= {})[id] = index;
    const labels = { "gs-installation": "local-test", "gs-pool": "default" };
    provider.vms.set(id, { id, power: "running", labels, ...at, disks: [] });
  }
  const { survey, mender, ...ports } = memoryRecords(kept);
  const [store, claims] = [ports.store as VmStore, ports.claims as ClaimStore];
  const pools = [{ name: "default", type: "process" as const, warm: 0, max: COUNT, image: "default", isDefault: true }];
  const agents: AgentClient = { status, giveIdentity: () => Promise.reject(new Error("not asked here")) };
  const clock = { now: () => COUNT };
  const own = { installation: "local-test", holder: "us", vmStartMs: 60_000, clock, log };
  return sweeper({
    pools,
    provider,
    store,
    claims,
    survey,
    mender,
    agents,
    removal: vmRemoval({ provider, store, log }),
    ...own,
  });
}

test("I3: a thousand VMs are swept sixteen at a time, and one that hangs keeps none of the others", async () => {
  const [asked, stop, othersDone] = [new Set<string>(), new AbortController(), Promise.withResolvers<void>()];
  let [present, most] = [0, 0];
  const sweep = swept(async (id, _reach, signal) => {
    asked.add(id);
    most = Math.max(most, ++present);
    if (asked.size === COUNT) othersDone.resolve();
    if (id === HANGING)
      await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("given up"))));
    await new Promise(setImmediate);
    present--;
    return { instanceId: id, identity: null, generation: 0, ide: "ready" };
  });
  const sweeping = sweep(stop.signal);
  await othersDone.promise;
  stop.abort(new Error("the test has seen enough"));
  await sweeping;
  expect(asked.size).toBe(COUNT);
  expect(most).toBe(AT_ONCE);
});
