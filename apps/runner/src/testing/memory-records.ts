// The scripts of Redis retold in memory, so that ten thousand schedules take seconds. It has the same keys and fields; the
// conformance test holds it against the real ones.
import { createHash } from "node:crypto";
import { redisKeys, type Route } from "@gitspaces/contracts";
import type { Vm } from "@gitspaces/vm-pool";
import { MAX_ATTEMPTS } from "../claim-store.ts";
import { compiled, poolIn } from "../record-survey.ts";
import { readVmRecord } from "../vm-record.ts";
import type { Records } from "./records.ts";

type Hash = Record<string, string>;
type Sorted = Record<string, number>;
/** Everything kept: hashes, sorted sets and texts by key. */
export type Kept = { hashes: Record<string, Hash>; sorted: Record<string, Sorted>; texts: Record<string, string> };

const { vm: vmKey, claim: claimKey, slots: slotsKey, warm: warmKey, route: routeKey, lease: leaseKey } = redisKeys;

/** Opens it on what is kept. */
export function memoryRecords(start: Kept): Records {
  let kept: Kept = structuredClone(start);
  let isWhole = false;
  let age = 0;
  const hash = (key: string): Hash => (kept.hashes[key] ??= {});
  const sorted = (key: string): Sorted => (kept.sorted[key] ??= {});
  const has = (key: string) => Object.keys(kept.hashes[key] ?? {}).length > 0;
  const drop = (key: string) => void delete kept.hashes[key];
  const leaveWarm = (pool: string, id: string) => void delete sorted(warmKey(pool))[id];
  const endClaim = (gitspaceId: string | null, id: string) => {
    if (gitspaceId !== null && hash(claimKey(gitspaceId))["vm"] === id) delete hash(claimKey(gitspaceId))["vm"];
  };
  const isSuperseded = (gitspaceId: string, generation: number, purpose: string) => {
    const f = hash(claimKey(gitspaceId));
    if (generation < Number(f["generation"] ?? 0) || (f["destroyed"] !== undefined && purpose !== "destroy"))
      return true;
    return purpose === "provision" && generation <= Number(f["stopped"] ?? 0);
  };
  const get = (id: string) => {
    const record = readVmRecord(kept.hashes[vmKey(id)] ?? {});
    return record === "unreadable" ? undefined : record;
  };
  const answer = async <T>(value: T): Promise<T> => value;

  const store: Records["store"] = {
    get: async (id) => get(id),
    list: async (pool) =>
      Object.keys(hash(slotsKey(pool)))
        .map(get)
        .filter((record) => record !== undefined),
    async discard(id, pool) {
      if (readVmRecord(kept.hashes[vmKey(id)] ?? {}) !== "unreadable") return;
      drop(vmKey(id));
      leaveWarm(pool, id);
    },
    async freeSlot(id, pool) {
      if (has(vmKey(id))) return;
      leaveWarm(pool, id);
      delete hash(slotsKey(pool))[id];
    },
    async addStock(id, pool, now) {
      if (!isWhole) return false;
      if (has(vmKey(id))) return true;
      if (Object.keys(hash(slotsKey(pool.name))).length >= pool.max) return false;
      hash(slotsKey(pool.name))[id] = "";
      const facts = { id, pool: pool.name, power: "making", agent: "starting", createdAt: String(now), owner: "" };
      Object.assign(hash(vmKey(id)), facts);
      return true;
    },
    async running(id, { address, port, version }) {
      const power = kept.hashes[vmKey(id)]?.["power"];
      if (power !== "making" && power !== "running") return false;
      Object.assign(hash(vmKey(id)), { power: "running", address, port: String(port), version });
      return true;
    },
    async noteVersion(id, version) {
      if (has(vmKey(id))) hash(vmKey(id))["version"] = version;
    },
    async enrolled(id, key) {
      const f = kept.hashes[vmKey(id)] ?? {};
      if (f["power"] === undefined || f["power"] === "deleting" || f["power"] === "gone") return false;
      if (f["key"] !== undefined && f["key"] !== key) return false;
      f["key"] = key;
      return true;
    },
    async agent(id, pool, state, reason = "") {
      const f = kept.hashes[vmKey(id)] ?? {};
      if (f["power"] !== "running" || (state === "failed" && f["owner"] !== "")) return false;
      Object.assign(f, { agent: state, reason });
      if (state === "ready" && f["owner"] === "") sorted(warmKey(pool))[id] = Number(f["createdAt"]);
      if (state === "failed") leaveWarm(pool, id);
      return true;
    },
    async takeStock(id, pool) {
      const f = kept.hashes[vmKey(id)] ?? {};
      if (!isWhole || f["id"] === undefined || f["owner"] !== "") return false;
      leaveWarm(pool, id);
      f["power"] = "deleting";
      return true;
    },
    async deleting(id) {
      if (has(vmKey(id))) hash(vmKey(id))["power"] = "deleting";
      return true;
    },
    async forget(id, pool, gitspaceId) {
      drop(vmKey(id));
      leaveWarm(pool, id);
      delete hash(slotsKey(pool))[id];
      endClaim(gitspaceId, id);
    },
    async adopt({ id, pool, createdAt, address, port, version, keyFingerprint, owner, seenGeneration, isReady }) {
      const present = kept.hashes[vmKey(id)] ?? {};
      if (present["id"] !== undefined && (present["owner"] !== "" || owner === null || present["power"] === "deleting"))
        return false;
      if (owner !== null) {
        const c = hash(claimKey(owner.gitspaceId));
        if (c["vm"] !== undefined && c["vm"] !== id) return false;
        if (c["destroyed"] !== undefined || Number(c["stopped"] ?? 0) >= seenGeneration) return false;
        Object.assign(c, { vm: id, task: owner.taskId, attempt: "1" });
        if (Number(c["generation"] ?? 0) < seenGeneration) c["generation"] = String(seenGeneration);
      }
      leaveWarm(pool, id);
      hash(slotsKey(pool))[id] = owner?.gitspaceId ?? "";
      const agent = isReady ? "ready" : "starting";
      const at = { address, port: String(port), version, createdAt: String(createdAt) };
      Object.assign(hash(vmKey(id)), { id, pool, power: "running", agent, ...at, owner: owner?.gitspaceId ?? "" });
      if (keyFingerprint !== null) hash(vmKey(id))["key"] = keyFingerprint;
      if (owner !== null)
        Object.assign(hash(vmKey(id)), { generation: String(owner.generation), task: owner.taskId, warm: "" });
      if (owner === null && isReady) sorted(warmKey(pool))[id] = createdAt;
      return true;
    },
    async cameUp(id, { address, port, version, keyFingerprint }) {
      const f = kept.hashes[vmKey(id)] ?? {};
      if (!f["owner"] || (f["power"] !== "making" && f["power"] !== "running")) return false;
      if (f["key"] !== undefined && f["key"] !== keyFingerprint) return false;
      Object.assign(f, { power: "running", agent: "ready", address, port: String(port), version, key: keyFingerprint });
      return true;
    },
    async holdSlot(id, pool, gitspaceId) {
      if (!has(vmKey(id))) hash(slotsKey(pool))[id] ??= gitspaceId ?? "";
    },
    async lease(pool, holder) {
      const f = hash(leaseKey(pool));
      if (f["holder"] !== undefined && f["holder"] !== holder && f["until"] !== "0") return undefined;
      Object.assign(f, { holder, until: "1" });
      return 1;
    },
    async leaveLease(pool, holder) {
      if (hash(leaseKey(pool))["holder"] === holder) hash(leaseKey(pool))["until"] = "0";
    },
  };

  const claims: Records["claims"] = {
    async enter(gitspaceId, generation, purpose) {
      if (!isWhole || isSuperseded(gitspaceId, generation, purpose)) throw new Error("not now");
      const f = hash(claimKey(gitspaceId));
      f["generation"] = String(generation);
      if (purpose !== "provision") f["stopped"] = String(generation);
      if (purpose === "destroy") f["destroyed"] = String(generation);
    },
    async get(gitspaceId) {
      const f = kept.hashes[claimKey(gitspaceId)] ?? {};
      return {
        vm: f["vm"] ?? null,
        generation: Number(f["generation"] ?? 0),
        isDestroyed: f["destroyed"] !== undefined,
      };
    },
    async reserve({ gitspaceId, generation, id: task }, pool, now) {
      if (!isWhole) return { outcome: "unsure" };
      if (isSuperseded(gitspaceId, generation, "provision")) return { outcome: "superseded" };
      const c = hash(claimKey(gitspaceId));
      c["generation"] = String(generation);
      if (c["vm"] !== undefined) {
        const { power, owner } = kept.hashes[vmKey(c["vm"])] ?? {};
        if (power !== undefined && power !== "deleting" && power !== "gone" && owner === gitspaceId)
          return { outcome: "held", id: c["vm"], attempt: Number(c["attempt"] ?? 1) };
        delete c["vm"];
      }
      const attempt = c["task"] === task ? Number(c["attempt"] ?? 0) + 1 : 1;
      if (attempt > MAX_ATTEMPTS) return { outcome: "exhausted" };
      const taken = hash(slotsKey(pool.name));
      const oldestFirst = Object.entries(sorted(warmKey(pool.name))).toSorted(
        ([a, x], [b, y]) => x - y || (a < b ? -1 : 1),
      );
      for (const [oldest] of oldestFirst) {
        leaveWarm(pool.name, oldest);
        const f = kept.hashes[vmKey(oldest)] ?? {};
        if (f["power"] !== "running" || f["agent"] !== "ready" || f["owner"] !== "") continue;
        Object.assign(f, { owner: gitspaceId, generation: String(generation), task, warm: "1" });
        taken[oldest] = gitspaceId;
        Object.assign(c, { vm: oldest, task, attempt: String(attempt) });
        return { outcome: "warm", id: oldest, attempt };
      }
      if (Object.keys(taken).length >= pool.max)
        return { outcome: Object.values(taken).includes("") ? "coming" : "full" };
      const id = `${pool.name}-${createHash("sha1").update(`${task}.${attempt}`).digest("hex").slice(0, 12)}`;
      taken[id] = gitspaceId;
      const facts = { id, pool: pool.name, power: "making", agent: "starting", createdAt: String(now) };
      Object.assign(hash(vmKey(id)), facts, { owner: gitspaceId, generation: String(generation), task, warm: "" });
      Object.assign(c, { vm: id, task, attempt: String(attempt) });
      return { outcome: "cold", id, attempt };
    },
    async setRoute(route) {
      const c = kept.hashes[claimKey(route.gitspaceId)] ?? {};
      if (c["vm"] !== route.instanceId || Number(c["generation"] ?? 0) > route.generation) return false;
      if (Number(c["stopped"] ?? 0) >= route.generation) return false;
      const present = await this.route(route.gitspaceId);
      if (present !== undefined && present.generation > route.generation) return false;
      kept.texts[routeKey(route.gitspaceId)] = JSON.stringify(route);
      return true;
    },
    async removeRoute(gitspaceId, generation, instanceId = "") {
      const present = await this.route(gitspaceId);
      if (present !== undefined && present.generation > generation) return;
      if (instanceId !== "" && present?.instanceId !== instanceId) return;
      delete kept.texts[routeKey(gitspaceId)];
    },
    async route(gitspaceId) {
      const text = kept.texts[routeKey(gitspaceId)];
      return text === undefined ? undefined : (JSON.parse(text) as Route);
    },
  };

  const mender: Records["mender"] = {
    async mend({ id, pool }: Vm) {
      const f = kept.hashes[vmKey(id)] ?? {};
      if (f["id"] !== id) return "absent";
      const owner = f["owner"] ?? "";
      hash(slotsKey(pool))[id] = owner;
      leaveWarm(pool, id);
      if (owner === "") {
        const isReady = f["power"] === "running" && f["agent"] === "ready" && "address" in f && "key" in f;
        if (isReady) sorted(warmKey(pool))[id] = Number(f["createdAt"]);
        return "sound";
      }
      const c = hash(claimKey(owner));
      if (c["vm"] === id) return "sound";
      const generation = Number(f["generation"] ?? 1);
      const seen = Math.max(generation, Number(c["generation"] ?? 0));
      if (c["vm"] !== undefined || c["destroyed"] !== undefined || Number(c["stopped"] ?? 0) >= seen) {
        f["power"] = "deleting";
        return "ended";
      }
      Object.assign(c, { vm: id, task: f["task"] ?? "", attempt: "1" });
      if (Number(c["generation"] ?? 0) < generation) c["generation"] = String(generation);
      return "sound";
    },
    async disown({ id, pool, owner }) {
      endClaim(owner?.gitspaceId ?? null, id);
      const f = kept.hashes[vmKey(id)] ?? {};
      if (f["id"] === undefined || f["owner"] !== (owner?.gitspaceId ?? "")) return false;
      drop(vmKey(id));
      leaveWarm(pool, id);
      hash(slotsKey(pool))[id] = "";
      return true;
    },
    async giveUp({ id, createdAt }) {
      const f = kept.hashes[vmKey(id)] ?? {};
      if (f["power"] !== "making" || f["createdAt"] !== String(createdAt)) return false;
      f["power"] = "deleting";
      return true;
    },
    async condemn({ id, pool, createdAt, owner }) {
      if (has(vmKey(id))) return false;
      hash(slotsKey(pool))[id] = owner?.gitspaceId ?? "";
      const facts = { id, pool, power: "deleting", agent: "starting", createdAt: String(createdAt) };
      const claimed = { owner: owner?.gitspaceId ?? "", generation: String(owner?.generation ?? 0) };
      Object.assign(hash(vmKey(id)), facts, claimed, { task: owner?.taskId ?? "" });
      return true;
    },
    async endClaim(id, gitspaceId) {
      if (!has(vmKey(id))) endClaim(gitspaceId, id);
    },
    async endRoute(gitspaceId) {
      const route = await claims.route(gitspaceId);
      if (route === undefined || kept.hashes[claimKey(gitspaceId)]?.["vm"] === route.instanceId) return false;
      delete kept.texts[routeKey(gitspaceId)];
      return true;
    },
  };

  const idsUnder = (prefix: string) =>
    Object.keys(kept.hashes).flatMap((key) => (key.startsWith(prefix) && has(key) ? [key.slice(prefix.length)] : []));

  return {
    store,
    claims,
    mender,
    async survey(pools) {
      const ids = idsUnder(vmKey(""));
      const claimed = new Map(
        idsUnder(claimKey("")).flatMap((g): [string, string][] => {
          const held = kept.hashes[claimKey(g)]?.["vm"];
          return held === undefined ? [] : [[g, held]];
        }),
      );
      const known = new Map(
        ids.flatMap((id): [string, Vm][] => (get(id) === undefined ? [] : [[id, get(id)?.vm as Vm]])),
      );
      const names = new Set([
        ...pools,
        ...[...ids, ...claimed.values()].map((id) => known.get(id)?.pool ?? poolIn(id)),
      ]);
      const taken = [...names].flatMap((pool) =>
        Object.entries(kept.hashes[slotsKey(pool)] ?? {}).map(([id, by]) => ({ id, pool, by })),
      );
      const warm = new Map(
        [...names].flatMap((pool) => Object.keys(kept.sorted[warmKey(pool)] ?? {}).map((id) => [id, pool])),
      );
      const routes = new Map(
        Object.values(kept.texts).map((text) => {
          const { gitspaceId, instanceId } = JSON.parse(text) as Route;
          return [gitspaceId, instanceId];
        }),
      );
      return compiled({ known, ids, claimed, taken, warm, routes });
    },
    async beginComparing() {
      const before = age;
      return async () => {
        if (before === age) isWhole = true;
      };
    },
    kept: async () => await answer(structuredClone(kept)),
    async lose(to) {
      kept = structuredClone(to);
      isWhole = false;
      age++;
    },
    present: () => kept,
  };
}
