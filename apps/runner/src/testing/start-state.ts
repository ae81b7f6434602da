// Any state in which records, provider and agents may be found, drawn by fast-check: what agrees, what was lost, what is stale.
import { createHash } from "node:crypto";
import { redisKeys } from "@gitspaces/contracts";
import type { ProviderVm } from "@gitspaces/providers";
import { array, boolean, constantFrom, integer, option, record, type Arbitrary } from "fast-check";
import { keyLabel } from "../key-label.ts";
import type { Kept } from "./memory-records.ts";

export const GITSPACES = ["hello-k3v9x2", "other-a1b2c3"] as const;
export const INSTALLATION = "local-test";
export const NOW = 10_000_000;
const whom = option(integer({ min: 0, max: 1 }), { nil: null, freq: 2 });
const oneOfThem = (index: number | null) => (index === null ? null : (GITSPACES[index] ?? null));

const anyVm = record({
  pool: constantFrom("default", "default", "default", "default", "old"),
  owner: whom,
  generation: integer({ min: 1, max: 3 }),
  ageMs: constantFrom(0, 30_000, 900_000),
  record: constantFrom("sound", "sound", "sound", "missing", "unreadable", "without reach"),
  power: constantFrom("running", "running", "running", "making", "deleting", "gone", "suspended", "suspending"),
  agent: constantFrom("ready", "ready", "starting", "failed"),
  slot: constantFrom("sound", "sound", "sound", "missing", "another"),
  warm: constantFrom("sound", "sound", "sound", "missing", "stray"),
  there: constantFrom(
    "running",
    "running",
    "running",
    "running",
    "missing",
    "stopped",
    "making",
    "suspended",
    "deleting",
    "gone",
  ),
  label: constantFrom("sound", "sound", "sound", "missing", "another"),
  hasKeyLabel: constantFrom(true, true, true, false),
  identity: constantFrom("sound", "sound", "missing", "unlabelled"),
  isSilent: constantFrom(false, false, false, true),
  hasDisk: boolean(),
});
const anyClaim = record({
  vm: constantFrom("sound", "sound", "sound", "missing", "ghost"),
  generation: integer({ min: 1, max: 4 }),
  isStopped: constantFrom(false, false, false, true),
  isDestroyed: constantFrom(false, false, false, false, true),
  hasRoute: boolean(),
});

export type StartState = {
  vms: (typeof anyVm extends Arbitrary<infer T> ? T : never)[];
  claims: (typeof anyClaim extends Arbitrary<infer T> ? T : never)[];
  warm: number;
  max: number;
  foreign: boolean;
  /** Whether the whole provider answers from the beginning. */
  isComplete: boolean;
};

/** All of them. */
export const anyStart: Arbitrary<StartState> = record({
  vms: array(anyVm, { maxLength: 5 }),
  claims: array(anyClaim, { minLength: 2, maxLength: 2 }),
  warm: integer({ min: 0, max: 2 }),
  max: integer({ min: 1, max: 4 }),
  foreign: boolean(),
  isComplete: boolean(),
});

export type Machine = { key: string; identity: string | null; isSilent: boolean };

/** The key of the agent in a VM. */
export function keyOf(id: string): string {
  return createHash("sha256").update(id).digest("base64url");
}

/** What the state says, as records, VMs and agents. */
export function laidOut({ vms, claims, foreign }: StartState) {
  const kept: Kept = { hashes: {}, sorted: {}, texts: {} };
  const machines = new Map<string, Machine>();
  const provided: ProviderVm[] = [];
  const held = new Map<string, string>();
  for (const [index, vm] of vms.entries()) {
    const id = `${vm.pool}-${index}`;
    const createdAt = NOW - vm.ageMs;
    const owner = oneOfThem(vm.owner);
    const labelled = vm.label === "sound" ? owner : vm.label === "missing" ? null : oneOfThem(vm.owner === 0 ? 1 : 0);
    if (owner !== null) held.set(owner, id);
    if (vm.record !== "missing") {
      const hash: Record<string, string> = { pool: vm.pool, power: vm.power, agent: vm.agent, owner: owner ?? "" };
      Object.assign(hash, { createdAt: String(createdAt), version: "1" });
      if (vm.record !== "unreadable") hash["id"] = id;
      if (vm.record !== "without reach") Object.assign(hash, { address: "127.0.0.1", port: "1", key: keyOf(id) });
      if (owner !== null) Object.assign(hash, { generation: String(vm.generation), task: `t${index}`, warm: "" });
      kept.hashes[redisKeys.vm(id)] = hash;
    }
    if (vm.slot !== "missing") {
      const slots = (kept.hashes[redisKeys.slots(vm.pool)] ??= {});
      slots[id] = vm.slot === "sound" ? (owner ?? "") : (oneOfThem(vm.owner === 0 ? 1 : 0) ?? "");
    }
    const isStock = owner === null && vm.power === "running" && vm.agent === "ready" && vm.record === "sound";
    if (vm.warm === "stray" || (vm.warm === "sound" && isStock))
      (kept.sorted[redisKeys.warm(vm.pool)] ??= {})[id] = createdAt;
    if (vm.there === "missing") continue;
    const key = keyOf(id);
    const whose = labelled ?? (vm.label === "missing" ? owner : null);
    const identity = vm.identity === "sound" ? whose : vm.identity === "unlabelled" ? (whose ?? GITSPACES[0]) : null;
    machines.set(id, { key, identity, isSilent: vm.isSilent });
    provided.push({
      id,
      power: vm.there,
      labels: {
        "gs-installation": INSTALLATION,
        "gs-pool": vm.pool,
        ...(labelled === null
          ? {}
          : { "gs-gitspace": labelled, "gs-generation": String(vm.generation), "gs-task": `t${index}` }),
        ...(vm.hasKeyLabel ? { "gs-key": keyLabel(key) } : {}),
      },
      // Every label raises the version, so a record that knows it knows the label too.
      version: labelled === owner ? "1" : "2",
      address: "127.0.0.1",
      port: 1,
      createdAt,
      disks: vm.hasDisk && labelled !== null ? [labelled] : [],
    });
  }
  for (const [index, each] of claims.entries()) {
    const gitspaceId = GITSPACES[index] ?? "";
    const claim: Record<string, string> = { generation: String(each.generation) };
    const vm = each.vm === "ghost" ? "default-ghost" : held.get(gitspaceId);
    if (each.vm !== "missing" && vm !== undefined) Object.assign(claim, { vm, task: "t", attempt: "1" });
    if (each.isStopped) claim["stopped"] = claim["generation"] ?? "";
    if (each.isDestroyed) claim["destroyed"] = claim["generation"] ?? "";
    kept.hashes[redisKeys.claim(gitspaceId)] = claim;
    if (!each.hasRoute || claim["vm"] === undefined || each.isStopped || each.isDestroyed) continue;
    const route = { gitspaceId, generation: each.generation, instanceId: claim["vm"] };
    const at = { address: "127.0.0.1", port: 1, keyFingerprint: keyOf(claim["vm"]) };
    kept.texts[redisKeys.route(gitspaceId)] = JSON.stringify({ ...route, ...at });
  }
  if (foreign) {
    const labels = { "gs-installation": "theirs", "gs-pool": "default" };
    const at = { power: "running" as const, version: "1", address: "127.0.0.1", port: 1, createdAt: 0, disks: [] };
    provided.push({ id: "theirs-1", labels, ...at });
  }
  return { kept, machines, provided };
}
