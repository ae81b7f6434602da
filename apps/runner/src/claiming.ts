// A claim in three steps: reserve in Redis; label at the provider, then attach the home disk; identity to the agent.
import { setTimeout as sleep } from "node:timers/promises";
import { FailureError, fail, type PoolSpec, type SealingKey, type TaskResult, type VmTask } from "@gitspaces/contracts";
import type { Clock, Logger } from "@gitspaces/daemon";
import type { Provider } from "@gitspaces/providers";
import type { Owner, Reach } from "@gitspaces/vm-pool";
import type { AgentClient } from "./agent-client.ts";
import { type ClaimStore, MAX_ATTEMPTS, type Reservation, superseded } from "./claim-store.ts";
import type { Hold } from "./gitspace-lock.ts";
import type { HomeDisks } from "./home-disk.ts";
import { lastWords } from "./last-words.ts";
import type { Mending } from "./mending.ts";
import { preparedPool } from "./prepared-pool.ts";
import type { Stopwatch } from "./stopwatch.ts";
import type { Emit } from "./task-events.ts";
import type { VmMaking } from "./vm-making.ts";
import type { VmRecord } from "./vm-record.ts";
import type { VmRemoval } from "./vm-removal.ts";
import type { VmStore } from "./vm-store.ts";

export type ProvisionTask = Extract<VmTask, { type: "vm.provision" }>;
type Collaborators = {
  pools: readonly PoolSpec[];
  provider: Provider;
  store: VmStore;
  claims: ClaimStore;
  mender: Pick<Mending, "disown">;
  agents: AgentClient;
  making: VmMaking;
  removal: VmRemoval;
  disks: HomeDisks;
  vmStartMs: number;
  clock: Clock;
  log: Logger;
};
type Turn = {
  task: ProvisionTask;
  watch: Stopwatch;
  emit: Emit;
  signal: AbortSignal;
  hold: Hold;
};
type Held = Extract<Reservation, { id: string }>;

const LABEL_TRIES = 3;
const COMING_MS = 50;
const UNSURE_MS = 100;

export type Claiming = ReturnType<typeof claiming>;

/** The claims of this runner. */
export function claiming({
  pools,
  provider,
  store,
  claims,
  mender,
  agents,
  making,
  removal,
  disks,
  vmStartMs,
  clock,
  log,
}: Collaborators) {
  /** A warm VM that holds the Gitspace's repository already, if there is one; none is made for it. */
  async function reservePrepared({ task, watch, emit }: Turn): Promise<Held | undefined> {
    const prepared = preparedPool(pools, task.data.source);
    if (prepared === undefined) return undefined;
    if ("miss" in prepared) {
      emit("note", `${prepared.miss} This one is prepared now.`);
      return undefined;
    }
    const { pool } = prepared;
    const reserved = await watch.measure("reserve", () => claims.reserve(task, { ...pool, max: 0 }, clock.now()));
    if ("id" in reserved) return reserved;
    emit("note", `No VM of pool ${pool.name}, which holds this repository, is ready; this one is prepared now.`);
    return undefined;
  }

  async function reserve(turn: Turn): Promise<Held> {
    const { task, watch, signal } = turn;
    const pool = usualPool(pools, task);
    const prepared = await reservePrepared(turn);
    if (prepared !== undefined) return prepared;
    const until = performance.now() + vmStartMs;
    for (;;) {
      const reserved = await watch.measure("reserve", () => claims.reserve(task, pool, clock.now()));
      if ("id" in reserved) return reserved;
      if (reserved.outcome === "unsure") {
        // Redis may have forgotten whom this Gitspace's VM belongs to; it is rebuilt within the task's deadline, or later.
        await watch.measure("wait", () => sleep(UNSURE_MS, undefined, { signal }).catch(() => signal.throwIfAborted()));
        continue;
      }
      if (reserved.outcome === "superseded") throw superseded();
      if (reserved.outcome === "exhausted") {
        throw fail("vm_unreachable", `${MAX_ATTEMPTS} VMs were tried for this task and none took the Gitspace.`);
      }
      if (reserved.outcome === "full" || performance.now() > until) throw noCapacity(pool);
      // The last slot holds a VM of the stock that is on its way: it becomes this Gitspace's, or makes room.
      await watch.measure("wait", () => sleep(COMING_MS, undefined, { signal }).catch(() => signal.throwIfAborted()));
    }
  }

  /** A VM being made (by this task, or by one that was cut short) is made first. */
  async function reach(record: VmRecord, { watch, signal }: Turn): Promise<Reach> {
    const { vm } = record;
    if (vm.power === "running" && vm.agent === "ready") return vm;
    const {
      reach: made,
      createMs,
      bootMs,
    } = await making.make(vm.id, findPool(pools, vm.pool), vm.owner, "up", signal);
    watch.add("create", createMs);
    watch.add("boot", bootMs);
    await store.agent(vm.id, vm.pool, "ready");
    return made;
  }

  /** Writes the owner on the VM by compare-and-set. Another owner there is believed over our records. */
  async function label(record: VmRecord, owner: Owner, generation: number, signal: AbortSignal): Promise<void> {
    const { id } = record.vm;
    const labels = { "gs-gitspace": owner.gitspaceId, "gs-generation": String(generation), "gs-task": owner.taskId };
    let { version } = record;
    for (let tries = 1; ; tries++) {
      try {
        await store.noteVersion(
          id,
          (await provider.label(id, labels, version, { key: `claim/${owner.taskId}/${id}/${generation}`, signal }))
            .version,
        );
        return;
      } catch (error) {
        if (!(error instanceof FailureError) || error.failure.code !== "conflict" || tries === LABEL_TRIES) throw error;
        const present = await provider.get(id, { key: `get/${id}`, signal });
        if (present === undefined) throw fail("not_found", `The VM ${id} is gone.`, { cause: error });
        const labelled = present.labels["gs-gitspace"];
        if (labelled !== undefined && labelled !== owner.gitspaceId) throw new NotOursError(id);
        if (Number(present.labels["gs-generation"] ?? 0) > generation) throw superseded();
        version = present.version;
      }
    }
  }

  async function handOver(held: Held, turn: Turn): Promise<SealingKey> {
    const { task, watch, signal, hold } = turn;
    const record = await store.get(held.id);
    const owner = record?.vm.owner ?? null;
    if (record === undefined || owner?.gitspaceId !== task.gitspaceId) throw new NotOursError(held.id);
    const at = await reach(record, turn);
    // Making a VM changes its labels, so their version is read again.
    const labelled = record.vm.power === "making" ? ((await store.get(held.id)) ?? record) : record;
    // Not at the same time: when Redis forgot a claim, the label says so, and nobody's home may be in another's VM by then.
    await watch.measure("label", () => label(labelled, owner, task.generation, signal));
    await watch.measure("attach", () => disks.attach(task.data.homeDisk, held.id, hold.fence, signal));
    // A VM that is held already keeps the identity of the claim that took it: an agent takes one in its life.
    const identity = {
      gitspaceId: owner.gitspaceId,
      generation: owner.generation,
      taskId: owner.taskId,
      homeDisk: task.data.homeDisk,
    };
    const { agentKey } = await watch.measure("handover", () => agents.giveIdentity(held.id, at, identity, signal));
    await watch.measure("route", () => openRoute(held, at, turn));
    return agentKey;
  }

  async function openRoute(
    { id }: Held,
    { address, port, keyFingerprint }: Reach,
    { task, emit }: Turn,
  ): Promise<void> {
    emit("infra_gateway_route_start", "Telling the gateways where the Gitspace is");
    const { gitspaceId, generation } = task;
    if (!(await claims.setRoute({ gitspaceId, generation, instanceId: id, address, port, keyFingerprint })))
      throw superseded();
    emit("infra_gateway_route_completed", "The gateways know where the Gitspace is");
  }

  /** A VM that did not take the Gitspace serves nobody any more. */
  async function giveUp(held: Held, error: unknown, { task, emit, signal, hold }: Turn): Promise<void> {
    // A zombie must not take away what the next delivery of its task has finished meanwhile.
    await hold.confirm();
    const reason = error instanceof Error ? error.message : String(error);
    log.warn(
      { err: error, instanceId: held.id, gitspaceId: task.gitspaceId, attempt: held.attempt },
      "an attempt to claim a VM failed",
    );
    emit("infra_vm_creation_failed", `Attempt ${held.attempt} of ${MAX_ATTEMPTS}: ${reason}`);
    const pool = (await store.get(held.id))?.vm.pool ?? task.data.pool;
    if (error instanceof NotOursError) {
      // Nothing is taken from whoever has it by now: neither the VM nor its record.
      const { gitspaceId, generation, id: taskId } = task;
      return void (await mender.disown({ id: held.id, pool, owner: { gitspaceId, generation, taskId } }));
    }
    const output = await lastWords(provider, held.id, signal);
    if (output !== "") log.warn({ instanceId: held.id, output }, "last output of the VM");
    await removal.remove({ id: held.id, pool, gitspaceId: task.gitspaceId }, signal, hold.fence);
  }

  return {
    /**
     * Gives a Gitspace its VM: the one it holds, a warm one, or a new one. Repeating the task gives the same VM.
     * @throws {FailureError} `no_capacity`, `superseded`, or the last attempt's failure after three.
     */
    async provision(turn: Turn): Promise<TaskResult<"vm.provision">> {
      for (let last: unknown; ; ) {
        const held: Held = await reserve(turn).catch((error: unknown) => {
          throw last ?? error;
        });
        turn.emit("infra_vm_creation_start", begun[held.outcome]);
        try {
          const agentKey = await handOver(held, turn);
          const record = await store.get(held.id);
          const warm = record?.wasWarm ?? held.outcome === "warm";
          turn.emit("infra_vm_creation_completed", `The Gitspace has its VM (${held.id})`);
          return { vm: { instanceId: held.id, pool: record?.vm.pool ?? turn.task.data.pool }, agentKey, warm };
        } catch (error) {
          // Whoever ended the work decides what becomes of the VM: the next delivery of the task, or a later action.
          if (turn.signal.aborted) throw turn.signal.reason;
          if (error instanceof FailureError && error.failure.code === "superseded") throw error;
          await giveUp(held, error, turn);
          last = error;
        }
      }
    },
  };
}

const begun = {
  warm: "A VM stands ready",
  cold: "No VM stands ready; making one",
  held: "The Gitspace already has a VM",
} as const;

/** Redis forgot that the VM was taken for this Gitspace, and it may be another's by now. */
class NotOursError extends FailureError {
  constructor(id: string) {
    super(fail("conflict", `The VM ${id} is no longer this Gitspace's.`).failure);
  }
}

function noCapacity({ name, max }: PoolSpec): FailureError {
  const message = `All ${max} VMs of the pool "${name}" are in use. Stop a Gitspace, or raise "max" in pool.yml.`;
  return fail("no_capacity", message, { details: { pool: name, max } });
}

/** Stock that was prepared for one repository is nobody else's, whoever names its pool. */
function usualPool(pools: readonly PoolSpec[], { data: { pool: name, source } }: ProvisionTask): PoolSpec {
  const pool = findPool(pools, name);
  if (pool.preload?.repository === undefined) return pool;
  const prepared = preparedPool([pool], source);
  if (prepared !== undefined && "pool" in prepared) return pool;
  throw fail("denied", `The pool "${name}" holds a repository for its own Gitspaces alone; choose another pool.`, {
    field: "pool",
  });
}

function findPool(pools: readonly PoolSpec[], name: string): PoolSpec {
  const pool = pools.find((each) => each.name === name);
  if (pool !== undefined) return pool;
  throw fail("not_found", `There is no pool "${name}"; pool.yml has ${pools.map((each) => each.name).join(", ")}.`, {
    field: "pool",
  });
}
