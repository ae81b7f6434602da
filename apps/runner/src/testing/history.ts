// One history of a world: a start state, a time of faults, then calm; and what must be true of it.
import { redisKeys } from "@gitspaces/contracts";
import type { PoolSpec } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import { array, integer, record, type Arbitrary } from "fast-check";
import { readVmRecord } from "../vm-record.ts";
import { memoryProvider, type WorldProvider } from "./memory-provider.ts";
import { type Kept, memoryRecords } from "./memory-records.ts";
import type { Records } from "./records.ts";
import { anyStart, GITSPACES, INSTALLATION, laidOut, type StartState } from "./start-state.ts";
import { VM_START_MS, world } from "./world.ts";

export type History = { start: StartState; choices: number[] };
export type Outcome = { violations: string[]; kept: Kept; trace: string[] };

/** Any history. A choice says what happens next and to whom. */
export const anyHistory: Arbitrary<History> = record({
  start: anyStart,
  choices: array(integer({ min: 0, max: 1_000_000 }), { maxLength: 60 }),
});

/** Sweeps after which everything is as it should be; a making that nobody finishes is given up in the time of one of them. */
export const SWEEPS_UNTIL_SETTLED = 10;
/** Two sightings and one more. */
const UNCHANGED = 3;
const SWEEP_MS = 15_000;
const reads = [
  "survey",
  "store.get",
  "store.list",
  "claims.get",
  "claims.route",
  "provider.get",
  "provider.list",
  "agents.status",
];
const log = createLog("runner", "silent");
const { vm: vmKey, claim: claimKey, slots: slotsKey, warm: warmKey } = redisKeys;

type Ground = { records: (start: Kept) => Promise<Records>; provider: WorldProvider };
const inMemory = (): Ground => ({ records: async (start) => memoryRecords(start), provider: memoryProvider() });

/** Lives it, and says what was violated. */
export async function lived({ start, choices }: History, ground: Ground = inMemory()): Promise<Outcome> {
  const { kept: found, machines, provided } = laidOut(start);
  const { provider } = ground;
  for (const vm of provided) provider.vms.set(vm.id, vm);
  for (const id of GITSPACES) {
    const attachedTo = provided.find(({ disks }) => disks.includes(id))?.id ?? null;
    provider.disks.set(id, { id, labels: { "gs-gitspace": id }, attachedTo, createdAt: 0 });
  }
  provider.isComplete = start.isComplete;
  const records = await ground.records(found);
  const pool: PoolSpec = {
    name: "default",
    type: "process",
    warm: start.warm,
    max: start.max,
    image: "default",
    isDefault: true,
  };
  const violations: string[] = [];
  const watched = watcher(records, provider, start, violations);
  const at = world({ records, provider, machines, pool, log, watch: watched.look });
  const { plan, clock } = at;

  const actions = [
    () => at.sweep("sweep-a"),
    () => at.sweep("sweep-b"),
    () => at.turn(),
    (choice: number) => at.task("start", choice),
    (choice: number) => at.task("stop", choice),
    () => at.sweep("sweep-a"),
    () => at.turn(),
  ];
  const running: Promise<void>[] = [];
  const begin = (choice: number) => {
    const action = actions[choice % actions.length];
    if (action !== undefined) running.push(action(Math.floor(choice / actions.length)));
  };
  let snapshot = await records.kept();
  async function weather(choice: number): Promise<void> {
    const ids = [...machines.keys()];
    const id = ids[Math.floor(choice / 8) % Math.max(1, ids.length)] ?? "";
    const vm = provider.vms.get(id);
    if (choice % 8 === 0 && vm !== undefined) vm.power = "stopped";
    if (choice % 8 === 1) provider.vms.delete(id);
    if (choice % 8 === 2 && machines.has(id)) Object.assign(machines.get(id) ?? {}, { isSilent: true });
    if (choice % 8 === 3 && machines.has(id)) Object.assign(machines.get(id) ?? {}, { isSilent: false });
    if (choice % 8 === 4) provider.isComplete = !provider.isComplete;
    if (choice % 8 === 5) clock.at += 20_000;
    if (choice % 8 === 6) snapshot = await records.kept();
    if (choice % 8 === 7) {
      plan.trace.push("records are lost");
      const to = choice % 3 === 0 ? { hashes: {}, sorted: {}, texts: {} } : snapshot;
      watched.forget(to);
      await records.lose(to);
    } else plan.trace.push(`weather ${choice % 8} ${id}`);
  }

  begin(choices[0] ?? 0);
  for (const choice of choices) {
    await new Promise(setImmediate);
    const [kind, rest] = [choice % 20, Math.floor(choice / 20)];
    if (plan.waiting() === 0 || kind === 19 || kind === 18) begin(rest);
    else if (kind <= 12) await plan.step(rest, undefined);
    else if (kind === 13) await plan.step(rest, "refused");
    else if (kind === 14) await plan.step(rest, "unheard");
    else if (kind === 15) plan.kill(rest);
    else await weather(rest);
  }

  provider.isComplete = true;
  await plan.calm();
  let [end, unchanged] = [canonical(await records.kept()), 0];
  for (let sweep = 0; sweep < SWEEPS_UNTIL_SETTLED + UNCHANGED && unchanged < UNCHANGED; sweep++) {
    clock.at += sweep === 1 ? 11 * VM_START_MS : SWEEP_MS;
    plan.trace.push(`settling ${sweep}`);
    await at.sweep("sweep-a");
    await at.turn();
    const now = canonical(await records.kept());
    unchanged = now === end && sweep > 1 ? unchanged + 1 : 0;
    end = now;
  }
  if (unchanged < UNCHANGED) violations.push("I4: what is settled is not left alone");
  const kept = await records.kept();
  violations.push(...at.broken, ...judged(kept, provider, machines, pool, start));
  return { violations, kept, trace: plan.trace };
}

/** What is kept, without what differs between two machines. */
export function canonical(kept: Kept): string {
  const hashes = Object.entries(kept.hashes).flatMap(([key, { version: _v, port: _p, address: _a, ...hash }]) => {
    const { lockedBy: _b, lockedUntil: _u, ...rest } = hash;
    return Object.keys(rest).length === 0 || key.endsWith(":lease")
      ? []
      : [[key, Object.entries(rest).toSorted(([a], [b]) => (a < b ? -1 : 1))] as const];
  });
  const sorted = Object.entries(kept.sorted).filter(([, set]) => Object.keys(set).length > 0);
  const inOrder = (entries: (readonly [string, unknown])[]) => entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([
    inOrder(hashes),
    inOrder(sorted.map(([key, set]) => [key, inOrder(Object.entries(set))])),
    inOrder(Object.entries(kept.texts)),
  ]);
}

/** What a history came to: who holds what, what stands ready, where routes lead. Names of new VMs and times are not part of it. */
export function shape(kept: Kept): unknown {
  const named = (id: string) => (/^default-(s\d+|[0-9a-f]{12})$/.test(id) ? "new" : id);
  const vms = Object.entries(kept.hashes).filter(([key]) => key.startsWith(vmKey("")));
  const claims = GITSPACES.map((each) => {
    const { vm, generation, stopped, destroyed } = kept.hashes[claimKey(each)] ?? {};
    return { each, vm: vm === undefined ? null : named(vm), generation, stopped, destroyed };
  });
  const pools = ["default"].map((pool) => ({
    slots: Object.entries(kept.hashes[slotsKey(pool)] ?? {})
      .map(([id, by]) => `${named(id)} ${by}`)
      .toSorted(),
    warm: Object.keys(kept.sorted[warmKey(pool)] ?? {})
      .map(named)
      .toSorted(),
  }));
  const records = vms.map(
    ([key, { power, agent, owner }]) => `${named(key.slice(vmKey("").length))} ${power} ${agent} ${owner}`,
  );
  const routes = Object.values(kept.texts).map((text) => {
    const { gitspaceId, generation, instanceId } = JSON.parse(text) as Record<string, string>;
    return `${gitspaceId} ${generation} ${named(instanceId ?? "")}`;
  });
  return { claims, pools, records: records.toSorted(), routes: routes.toSorted() };
}

/** Looks after every effect, where the records can be seen without asking. */
function watcher(records: Records, provider: WorldProvider, start: StartState, violations: string[]) {
  let taken = Number.MAX_SAFE_INTEGER;
  const before = new Map<string, string>();
  const owned = new Set<string>();
  const fromStart = new Set(start.vms.map((vm, index) => `${vm.pool}-${index}`));
  let isTold = false;
  const note = (kept: Kept | undefined) => {
    before.clear();
    for (const [key, hash] of Object.entries(kept?.hashes ?? {}))
      if (key.startsWith(vmKey(""))) before.set(key.slice(vmKey("").length), hash["power"] ?? "");
  };
  note(records.present?.());

  function look(program: { name: string }, what: string): void {
    if (reads.some((read) => what.startsWith(read))) return;
    const kept = records.present?.();
    if (kept === undefined) return;
    const slots = Object.keys(kept.hashes[slotsKey("default")] ?? {}).length;
    const takes = what.startsWith("store.addStock") || what.startsWith("claims.reserve");
    if (takes && slots > taken && slots > start.max) violations.push(`I4: ${slots} slots, ${start.max} are the most`);
    taken = slots;
    for (const [key, hash] of Object.entries(kept.hashes)) {
      if (!key.startsWith(vmKey(""))) continue;
      const id = key.slice(vmKey("").length);
      if (hash["owner"]) owned.add(id);
      const was = before.get(id);
      before.set(id, hash["power"] ?? "");
      if (hash["power"] !== "deleting" || was === "deleting" || was === "gone") continue;
      if (!program.name.startsWith("sweep") && !program.name.startsWith("planner")) continue;
      const [gitspaceId, vm] = [hash["owner"] ?? "", provider.vms.get(id)];
      const claim = kept.hashes[claimKey(gitspaceId)] ?? {};
      const isLive =
        claim["vm"] === id &&
        Number(claim["stopped"] ?? 0) < Number(hash["generation"] ?? 1) &&
        claim["destroyed"] === undefined;
      const isTheirs = (vm?.labels["gs-gitspace"] ?? gitspaceId) === gitspaceId;
      if (gitspaceId !== "" && isLive && isTheirs && vm?.power === "running" && was !== "making")
        violations.push(`I3: ${program.name} took ${id} from ${gitspaceId} by ${what}`);
    }
    for (const vm of provider.vms.values()) if (vm.labels["gs-gitspace"] !== undefined) owned.add(vm.id);
    for (const [key, set] of Object.entries(kept.sorted))
      for (const id of Object.keys(set))
        if (!isTold && key.startsWith("gs:pool:") && owned.has(id) && !fromStart.has(id))
          violations.push(`I1: ${id}, once owned, was warm after ${program.name} ${what}`);
  }
  return {
    look,
    /** Records were lost: what was written since says nothing any more. */
    forget: (to: Kept) => {
      isTold = true;
      taken = Number.MAX_SAFE_INTEGER;
      note(to);
    },
  };
}

function judged(
  kept: Kept,
  provider: WorldProvider,
  machines: ReadonlyMap<string, { identity: string | null; isSilent: boolean }>,
  pool: PoolSpec,
  start: StartState,
): string[] {
  const wrong: string[] = [];
  const say = (isSo: boolean, text: string) => void (isSo || wrong.push(text));
  const ours = [...provider.vms.values()].filter(({ labels }) => labels["gs-installation"] === INSTALLATION);
  const there = new Set(ours.filter(({ power }) => power !== "gone").map(({ id }) => id));
  const ids = Object.keys(kept.hashes).flatMap((key) =>
    key.startsWith(vmKey("")) ? [key.slice(vmKey("").length)] : [],
  );
  const slots = ["default", "old"].flatMap((name) => Object.entries(kept.hashes[slotsKey(name)] ?? {}));
  const warm = new Set(["default", "old"].flatMap((name) => Object.keys(kept.sorted[warmKey(name)] ?? {})));
  const claimed = new Map(GITSPACES.map((each) => [each as string, kept.hashes[claimKey(each)]?.["vm"]]));
  let stock = 0;
  let ownedInPool = 0;
  for (const id of there) say(ids.includes(id), `I3: the VM ${id} is nobody's`);
  for (const id of ids) {
    const read = readVmRecord(kept.hashes[vmKey(id)] ?? {});
    if (read === undefined || read === "unreadable") {
      wrong.push(`I3: the record of ${id} cannot be read`);
      continue;
    }
    const { vm } = read;
    const labelled = provider.vms.get(id)?.labels["gs-gitspace"];
    say(there.has(id) || vm.power === "making", `I3: ${id} is on record as ${vm.power} and not there`);
    say(vm.power !== "deleting" && vm.power !== "gone", `${id} is stuck in ${vm.power}`);
    const slot = slots.find(([each]) => each === id)?.[1];
    say(slot === (vm.owner?.gitspaceId ?? ""), `${id} has the slot of ${slot}`);
    if (vm.owner === null) {
      if (vm.pool === pool.name) stock++;
      say(vm.pool === pool.name, `${id} is stock of a pool that nobody plans for`);
      say(vm.power === "running" && vm.agent === "ready", `${id} is stock and stuck in ${vm.power}`);
      say(warm.has(id), `${id} is stock and not warm`);
      say(labelled === undefined, `I1: ${id} is stock and labelled with ${labelled}`);
      say(machines.get(id)?.identity == null, `I1: ${id} is stock and its agent is ${machines.get(id)?.identity}'s`);
      say(machines.get(id)?.isSilent === false, `${id} is stock and silent`);
    } else {
      if (vm.pool === pool.name) ownedInPool++;
      say(!warm.has(id), `I1: ${id} is owned and warm`);
      say(
        claimed.get(vm.owner.gitspaceId) === id,
        `${id} is ${vm.owner.gitspaceId}'s, which holds ${claimed.get(vm.owner.gitspaceId)}`,
      );
      say(
        (labelled ?? vm.owner.gitspaceId) === vm.owner.gitspaceId,
        `I1: ${id} is ${vm.owner.gitspaceId}'s and labelled ${labelled}`,
      );
    }
  }
  for (const [id] of Object.entries(kept.hashes[slotsKey(pool.name)] ?? {}))
    say(ids.includes(id), `the slot of ${id} has no VM`);
  // What a pool that is in nobody's pool.yml still names beyond its VMs is not used by anybody.
  for (const id of Object.keys(kept.sorted[warmKey(pool.name)] ?? {}))
    say(ids.includes(id), `${id} is warm and not on record`);
  for (const [gitspaceId, id] of claimed)
    say(id === undefined || ids.includes(id), `${gitspaceId} holds ${id}, which is gone`);
  for (const text of Object.values(kept.texts)) {
    const route = JSON.parse(text) as { gitspaceId: string; instanceId: string };
    say(
      claimed.get(route.gitspaceId) === route.instanceId,
      `I5: the route of ${route.gitspaceId} leads to ${route.instanceId}`,
    );
  }
  const wanted = Math.max(0, Math.min(pool.warm, pool.max - ownedInPool));
  say(stock === wanted, `I4: ${stock} stand ready, ${wanted} are wanted`);
  for (const id of GITSPACES) say(provider.disks.has(id), `I3: the disk ${id} is gone`);
  if (start.foreign) say(provider.vms.has("theirs-1"), "a VM of another installation was removed");
  return wrong;
}
