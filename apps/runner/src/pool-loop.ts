// Keeps one pool as pool.yml wants it: looks whenever something changed, plans, acts. One runner at a time plans, by lease.
import { setTimeout as sleep } from "node:timers/promises";
import type { InstanceId, PoolSpec } from "@gitspaces/contracts";
import type { Clock, Logger } from "@gitspaces/daemon";
import type { Provider } from "@gitspaces/providers";
import { type PoolAction, planPool, type Vm } from "@gitspaces/vm-pool";
import { breaker } from "./breaker.ts";
import { lastWords } from "./last-words.ts";
import type { Metrics } from "./metrics.ts";
import { stockId, type VmMaking } from "./vm-making.ts";
import type { VmRemoval } from "./vm-removal.ts";
import type { VmStore } from "./vm-store.ts";

type Collaborators = {
  pool: PoolSpec;
  store: VmStore;
  making: VmMaking;
  removal: VmRemoval;
  provider: Pick<Provider, "diagnose">;
  metrics: Metrics;
  /** This runner, as a holder of leases. */
  holder: string;
  vmStartMs: number;
  clock: Clock;
  log: Logger;
};

export type PoolLoop = AsyncDisposable & {
  /** Something changed: look at once. */
  look(): void;
  /** Why the pool is not as wanted, or nothing. */
  trouble(): string | undefined;
};

/** Also renews the lease, which lasts three times as long. */
const LOOK_EVERY_MS = 5_000;
const MAKING_AT_ONCE = 4;
/** A maker that still lives gives up by itself first. */
const COME_UP_GRACE_MS = 5_000;
const REMOVE_DEADLINE_MS = 60_000;

/** Starts keeping the pool. Disposed, it stops planning and what it was making is left for the next planner. */
export function startPoolLoop({
  pool,
  store,
  making,
  removal,
  provider,
  metrics,
  holder,
  vmStartMs,
  clock,
  log,
}: Collaborators): PoolLoop {
  const stop = new AbortController();
  const { signal } = stop;
  const works = new Map<InstanceId, Promise<void>>();
  /** VMs that are about to be recorded; from then on their records say what they are. */
  const beginning = new Set<InstanceId>();
  const trips = breaker(clock);
  const target = {
    warm: pool.warm,
    max: pool.max,
    comeUpMs: vmStartMs + COME_UP_GRACE_MS,
    makingAtOnce: MAKING_AT_ONCE,
    ...(pool.preload?.repository === undefined ? {} : { freshMs: pool.preload.repository.refreshMs }),
  };
  let wake = () => {};
  let isStale = true;

  const look = () => {
    isStale = true;
    wake();
  };

  function inBackground(id: InstanceId, work: () => Promise<void>): void {
    if (works.has(id)) return;
    const running = work()
      .catch((err: unknown) => {
        if (!signal.aborted) log.warn({ err, instanceId: id, pool: pool.name }, "work on a VM of the stock failed");
      })
      .finally(() => {
        works.delete(id);
        look();
      });
    works.set(id, running);
  }

  async function create(id: InstanceId, epoch: number): Promise<void> {
    beginning.add(id);
    if (!(await store.addStock(id, pool, clock.now(), epoch).finally(() => beginning.delete(id)))) return;
    try {
      await making.make(id, pool, null, "ready", signal);
      if (await store.agent(id, pool.name, "ready")) trips.succeeded();
    } catch (error) {
      if (signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      trips.failed(reason);
      metrics.vmFailed(pool.name);
      const output = await lastWords(provider, id, signal);
      log.error({ err: error, instanceId: id, pool: pool.name, output }, "a VM did not come up");
      await remove(id);
    }
  }

  /** With an epoch, what a plan of that epoch wants; without, what this runner made itself. */
  async function remove(id: InstanceId, epoch?: number): Promise<void> {
    if (!(await store.takeStock(id, pool.name, epoch))) return;
    const within = AbortSignal.any([signal, AbortSignal.timeout(REMOVE_DEADLINE_MS)]);
    await removal.remove({ id, pool: pool.name, gitspaceId: null }, within);
  }

  function act(action: PoolAction, epoch: number): void {
    if (action.do === "remove") {
      // One that is still being made, or already on its way out, is looked at again when that work has ended.
      if (works.has(action.id)) return;
      log.info({ instanceId: action.id, pool: pool.name, reason: action.reason }, "removing a VM of the stock");
      inBackground(action.id, () => remove(action.id, epoch));
    } else if (trips.pauseMs() === 0) {
      for (let made = 0; made < action.count; made++) {
        const id = stockId(pool);
        inBackground(id, () => create(id, epoch));
      }
    }
  }

  async function turn(): Promise<void> {
    const epoch = await store.lease(pool.name, holder);
    if (epoch === undefined) return;
    const begun = [...beginning];
    const vms = (await store.list(pool.name)).map(({ vm }) => vm);
    metrics.pool(pool.name, vms);
    metrics.paused(pool.name, trips.trouble() !== undefined);
    for (const action of planPool([...vms, ...notYetIn(vms, begun)], target, clock.now())) act(action, epoch);
    for (const vm of vms) if (isUnfinished(vm) && !works.has(vm.id)) inBackground(vm.id, () => create(vm.id, epoch));
  }

  /** VMs whose record was not there yet when the list was read. */
  function notYetIn(vms: readonly { id: InstanceId }[], begun: readonly InstanceId[]) {
    const known = new Set(vms.map(({ id }) => id));
    return begun
      .filter((id) => !known.has(id))
      .map((id) => ({ id, pool: pool.name, createdAt: clock.now(), owner: null, power: "making" as const }));
  }

  async function changed(): Promise<void> {
    if (isStale) return;
    const woken = new AbortController();
    wake = () => woken.abort();
    const pauseMs = trips.pauseMs() > 0 ? Math.min(LOOK_EVERY_MS, trips.pauseMs()) : LOOK_EVERY_MS;
    await sleep(pauseMs, undefined, { signal: AbortSignal.any([signal, woken.signal]) }).catch(() => undefined);
  }

  const running = (async () => {
    while (!signal.aborted) {
      isStale = false;
      await turn().catch((err: unknown) => log.warn({ err, pool: pool.name }, "the pool could not be looked at"));
      await changed();
    }
  })();

  return {
    look,
    trouble: trips.trouble,
    async [Symbol.asyncDispose]() {
      stop.abort();
      wake();
      await running;
      await Promise.allSettled(works.values());
      await store.leaveLease(pool.name, holder);
    },
  };
}

/** A VM of the stock whose making was begun; not in the works here, it was begun by a runner that died or left. */
function isUnfinished(vm: Vm): boolean {
  return vm.owner === null && (vm.power === "making" || (vm.power === "running" && vm.agent === "starting"));
}
