// A world in virtual time: records, a provider with its VMs and agents, two runners that reconcile and plan, tasks that claim and
// release. The reconciler is the real one; a schedule decides what happens when.
import { fail, type PoolSpec, type SealingKey } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import { planPool } from "@gitspaces/vm-pool";
import type { AgentClient } from "../agent-client.ts";
import { keyLabel } from "../key-label.ts";
import { sweeper } from "../sweep.ts";
import { vmRemoval } from "../vm-removal.ts";
import type { VmStore } from "../vm-store.ts";
import type { ClaimStore } from "../claim-store.ts";
import type { WorldProvider } from "./memory-provider.ts";
import type { Records } from "./records.ts";
import { type Program, schedule } from "./schedule.ts";
import { GITSPACES, INSTALLATION, keyOf, type Machine, NOW } from "./start-state.ts";

export const VM_START_MS = 60_000;
const COME_UP_MS = VM_START_MS + 5_000;
const never = new AbortController().signal;

export class BrokenPromise extends Error {
  override name = "BrokenPromise";
}

export type World = ReturnType<typeof world>;
type Options = {
  records: Records;
  provider: WorldProvider;
  machines: Map<string, Machine>;
  pool: PoolSpec;
  log: Logger;
  /** Called after every effect of a program. */
  watch: (program: Program, what: string) => void;
};

/** Opens it. */
export function world({ records, provider, machines, pool, log, watch }: Options) {
  const plan = schedule(watch);
  const clock = { at: NOW, now: () => clock.at };
  const generations = new Map<string, number>();
  const busy = new Map<string, Program>();
  const broken: string[] = [];
  let count = 0;
  const violated = (promise: string): BrokenPromise => {
    broken.push(promise);
    return new BrokenPromise(promise);
  };

  /** An agent keeps its identity for life; whom it was given to must be whom its VM is labelled with. */
  const agents: AgentClient = {
    async status(id) {
      const machine = machines.get(id);
      if (machine === undefined || machine.isSilent || provider.vms.get(id)?.power !== "running")
        throw fail("vm_unreachable", "silent");
      const { identity } = machine;
      const claim = { generation: 1, taskId: "t", homeDisk: identity ?? "" };
      return {
        instanceId: id,
        identity: identity === null ? null : { gitspaceId: identity, ...claim },
        generation: 1,
        ide: "ready",
      };
    },
    async giveIdentity(id, _reach, { gitspaceId }) {
      const machine = machines.get(id);
      if (machine === undefined || machine.isSilent || provider.vms.get(id)?.power !== "running")
        throw fail("vm_unreachable", "silent");
      if (machine.identity !== null && machine.identity !== gitspaceId) throw fail("conflict", "it is another's");
      const labelled = provider.vms.get(id)?.labels["gs-gitspace"];
      if (labelled !== gitspaceId) throw violated(`I1: ${id}, labelled ${labelled}, was given to ${gitspaceId}`);
      machine.identity = gitspaceId;
      return { agentKey: {} as SealingKey };
    },
  };
  const careful: WorldProvider = new Proxy(provider, {
    get(target, key) {
      if (key === "create")
        return async (...args: Parameters<WorldProvider["create"]>) => {
          const isNew = !target.vms.has(args[0].id);
          await target.create(...args);
          const vm = target.vms.get(args[0].id);
          if (vm === undefined) throw fail("not_found", "gone");
          if (isNew) {
            Object.assign(vm, { createdAt: clock.at, address: "127.0.0.1", port: 1 });
            machines.set(vm.id, { key: keyOf(vm.id), identity: null, isSilent: false });
          }
          return structuredClone(vm);
        };
      if (key === "label")
        return async (...args: Parameters<WorldProvider["label"]>) => {
          const before = target.vms.get(args[0])?.labels["gs-gitspace"];
          const wanted = args[1]["gs-gitspace"];
          const after = await target.label(...args);
          if (before !== undefined && wanted !== undefined && wanted !== before)
            throw violated(`I1: the label of ${args[0]} went from ${before} to ${wanted}`);
          return after;
        };
      // A part of the provider does not answer: what it has is not in the list.
      if (key === "list")
        return async (...args: Parameters<WorldProvider["list"]>) => {
          const { items, complete } = await target.list(...args);
          return { items: items.filter((_vm, index) => complete || index % 2 === 1), complete };
        };
      if (key === "removeDisk") return async (id: string) => Promise.reject(violated(`I3: the disk ${id} was removed`));
      return Reflect.get(target, key, target) as unknown;
    },
  });

  function ports(program: Program) {
    const as = <T extends object>(name: string, port: T) => plan.port(program, name, port);
    const store = as("store", records.store) as VmStore;
    const removal = vmRemoval({ provider: as("provider", careful), store, log });
    return {
      store,
      removal,
      provider: as("provider", careful),
      claims: as("claims", records.claims) as ClaimStore,
      mender: as("mender", records.mender),
      agents: as("agents", agents),
      survey: (async (pools) =>
        await plan.call(program, "survey", async () => await records.survey(pools))) as Records["survey"],
    };
  }
  type Ports = ReturnType<typeof ports>;

  async function bringUp(
    { provider: there, store, agents: inside }: Ports,
    id: string,
    owner: string | null,
    task = "",
    generation = 1,
  ) {
    const claimed =
      owner === null ? {} : { "gs-gitspace": owner, "gs-generation": String(generation), "gs-task": task };
    const labels = { "gs-installation": INSTALLATION, "gs-pool": pool.name, ...claimed };
    const metadata = { enrolUrl: "https://127.0.0.1:1", caFingerprint: "", token: "", instanceId: id };
    const call = { key: id, signal: never };
    const { address, port, version } = await there.create({ id, pool, labels, metadata }, call);
    const at = { address: address ?? "", port, version };
    if (!(await store.running(id, at))) throw new Error("given up");
    const keyFingerprint = machines.get(id)?.key ?? "";
    await inside.status(id, { ...at, keyFingerprint }, never);
    if (!(await store.enrolled(id, keyFingerprint))) throw new Error("given up");
    const vm = await there.get(id, call);
    if (vm === undefined) throw new Error("gone");
    await store.noteVersion(
      id,
      (await there.label(id, { "gs-key": keyLabel(keyFingerprint) }, vm.version, call)).version,
    );
    await store.agent(id, pool.name, "ready");
  }

  async function removeStock({ store, removal }: Ports, id: string) {
    if (await store.takeStock(id, pool.name)) await removal.remove({ id, pool: pool.name, gitspaceId: null }, never);
  }

  /** One turn of the loop that keeps a pool. */
  async function planTurn(mine: Ports): Promise<void> {
    const vms = (await mine.store.list(pool.name)).map(({ vm }) => vm);
    const target = { warm: pool.warm, max: pool.max, comeUpMs: COME_UP_MS, makingAtOnce: 4 };
    const keep = async (id: string) => {
      if (!(await mine.store.addStock(id, pool, clock.at))) return;
      await bringUp(mine, id, null).catch(async (error: unknown) => {
        if ((error as Error).name === "BrokenPromise") throw error;
        await removeStock(mine, id);
      });
    };
    const works = planPool(vms, target, clock.at).flatMap((action): Promise<void>[] => {
      if (action.do === "remove") return [removeStock(mine, action.id)];
      return Array.from({ length: action.count }, () => keep(`${pool.name}-s${count++}`));
    });
    const unfinished = vms.filter(
      (vm) => vm.owner === null && (vm.power === "making" || (vm.power === "running" && vm.agent === "starting")),
    );
    await Promise.allSettled([...works, ...unfinished.map(({ id }) => keep(id))]);
  }

  async function handOver(
    mine: Ports,
    gitspaceId: string,
    generation: number,
    task: string,
    id: string,
  ): Promise<"done" | "another's"> {
    const { store, provider: there, claims, agents: inside, removal } = mine;
    const call = { key: id, signal: never };
    const record = await store.get(id);
    if (record?.vm.owner?.gitspaceId !== gitspaceId) return "another's";
    if (!(record.vm.power === "running" && record.vm.agent === "ready"))
      await bringUp(mine, id, gitspaceId, task, generation);
    const labels = { "gs-gitspace": gitspaceId, "gs-generation": String(generation), "gs-task": task };
    let { version } = record;
    for (let tries = 1; ; tries++) {
      const isLabelled = await there.label(id, labels, version, call).then(
        () => true,
        (error: unknown) => {
          if ((error as Error).name === "BrokenPromise" || tries === 3) throw error;
          return false;
        },
      );
      if (isLabelled) break;
      const present = await there.get(id, call);
      if (present === undefined) throw new Error("gone");
      if ((present.labels["gs-gitspace"] ?? gitspaceId) !== gitspaceId) return "another's";
      version = present.version;
    }
    await there.createDisk(gitspaceId, {}, call);
    await there.attachDisk(gitspaceId, id, call).catch(async () => {
      const holder = (await there.listDisks(call)).items.find((disk) => disk.id === gitspaceId)?.attachedTo ?? null;
      const earlier = holder === null ? undefined : await there.get(holder, call);
      if (earlier === undefined || earlier.id === id || earlier.labels["gs-gitspace"] !== gitspaceId)
        throw new Error("taken");
      await removal.remove({ id: earlier.id, pool: pool.name, gitspaceId }, never);
      await there.attachDisk(gitspaceId, id, call);
    });
    const reach = { address: "127.0.0.1", port: 1, keyFingerprint: keyOf(id) };
    await inside.giveIdentity(id, reach, { gitspaceId, generation, taskId: task, homeDisk: gitspaceId }, never);
    if (!(await claims.setRoute({ gitspaceId, generation, instanceId: id, ...reach }))) throw new Error("superseded");
    return "done";
  }

  async function start(mine: Ports, gitspaceId: string, generation: number, task: string): Promise<void> {
    await mine.claims.enter(gitspaceId, generation, "provision", AbortSignal.abort(new Error("not now")));
    for (;;) {
      const reserved = await mine.claims.reserve({ gitspaceId, generation, id: task }, pool, clock.at);
      if (!("id" in reserved)) return;
      const { id } = reserved;
      try {
        if ((await handOver(mine, gitspaceId, generation, task, id)) === "done") return;
        await mine.mender.disown({ id, pool: pool.name, owner: { gitspaceId, generation, taskId: task } });
      } catch (error) {
        if ((error as Error).name === "BrokenPromise" || (error as Error).message === "superseded") throw error;
        await mine.removal.remove({ id, pool: pool.name, gitspaceId }, never);
      }
    }
  }

  async function stop(mine: Ports, gitspaceId: string, generation: number): Promise<void> {
    await mine.claims.enter(gitspaceId, generation, "stop", AbortSignal.abort(new Error("not now")));
    await mine.claims.removeRoute(gitspaceId, generation);
    const { vm: id } = await mine.claims.get(gitspaceId);
    if (id !== null) await mine.removal.remove({ id, pool: (await mine.store.get(id))?.vm.pool, gitspaceId }, never);
  }

  function begin(name: string, work: (mine: Ports, program: Program) => Promise<unknown>): Promise<void> {
    const program = { name: `${name}#${count++}`, isDead: false };
    return work(ports(program), program).then(
      () => undefined,
      () => undefined,
    );
  }

  const sweeps = new Map<
    string,
    { sweep: (signal: AbortSignal) => Promise<boolean>; program: Program; running: boolean }
  >();
  function runner(name: string) {
    const present = sweeps.get(name);
    if (present !== undefined && !present.program.isDead) return present;
    const program = { name: `${name}#${count++}`, isDead: false };
    const own = { pools: [pool], installation: INSTALLATION, holder: "us", vmStartMs: VM_START_MS, clock, log };
    const fresh = { sweep: sweeper({ ...ports(program), ...own }), program, running: false };
    sweeps.set(name, fresh);
    return fresh;
  }

  return {
    plan,
    clock,
    broken,
    /** One sweep of this runner, unless it is at one. */
    sweep: async (name: string): Promise<void> => {
      const own = runner(name);
      if (own.running) return;
      own.running = true;
      const { program } = own;
      const compared = async () => {
        const end = (await plan.call(program, "memory.begin", records.beginComparing)) as () => Promise<void>;
        if (await own.sweep(never)) await plan.call(program, "memory.end", end);
      };
      await compared().catch((error: unknown) => void error);
      own.running = false;
    },
    turn: async (): Promise<void> => await begin("planner", planTurn),
    /** A task for a Gitspace, unless one is at work on it. */
    async task(kind: "start" | "stop", index: number): Promise<void> {
      const gitspaceId = GITSPACES[index % GITSPACES.length] ?? "";
      if (busy.get(gitspaceId)?.isDead === false) return;
      const generation = (generations.get(gitspaceId) ?? 4) + 1;
      generations.set(gitspaceId, generation);
      await begin(kind, async (mine, program) => {
        busy.set(gitspaceId, program);
        try {
          await (kind === "start"
            ? start(mine, gitspaceId, generation, `task-${count}`)
            : stop(mine, gitspaceId, generation));
        } finally {
          busy.delete(gitspaceId);
        }
      });
    },
  };
}
