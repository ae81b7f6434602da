// Making a VM: record first, then the provider, then the agent's own word that it is there.
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { FailureError, fail, type InstanceId, type PoolSpec } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { Labels, Provider } from "@gitspaces/providers";
import type { Owner, Reach } from "@gitspaces/vm-pool";
import type { AgentClient } from "./agent-client.ts";
import type { EnrolmentTokens } from "./enrolment-tokens.ts";
import { keyLabel } from "./key-label.ts";
import { preloadFor } from "./preload.ts";
import type { VmStore } from "./vm-store.ts";

type Collaborators = {
  provider: Provider;
  store: VmStore;
  tokens: EnrolmentTokens;
  agents: AgentClient;
  installation: string;
  enrolUrl: string;
  /** The CA that a new VM enrols with; another one after a rotation. */
  caFingerprint: () => string;
  vmStartMs: number;
  log: Logger;
};

type Place = { address: string; port: number; version: string };
/** `up`: the agent answers. `ready`: its IDE does too. */
type Wanted = "up" | "ready";
export type Made = { reach: Reach; createMs: number; bootMs: number };

const FIRST_LOOK_MS = 15;
const SLOWEST_LOOK_MS = 150;

export type VmMaking = ReturnType<typeof vmMaking>;

/** A new id for a VM of the stock; never used twice. */
export function stockId(pool: PoolSpec): InstanceId {
  return `${pool.name}-${randomBytes(6).toString("hex")}`;
}

/** The maker of VMs. */
export function vmMaking({
  provider,
  store,
  tokens,
  agents,
  installation,
  enrolUrl,
  caFingerprint,
  vmStartMs,
  log,
}: Collaborators) {
  const waiting = new Map<InstanceId, () => void>();

  async function create(id: InstanceId, pool: PoolSpec, owner: Owner | null, signal: AbortSignal): Promise<Place> {
    const token = await tokens.make(id);
    const labels: Labels = {
      "gs-installation": installation,
      "gs-pool": pool.name,
      "gs-slot": id,
      ...(owner === null
        ? {}
        : { "gs-gitspace": owner.gitspaceId, "gs-generation": String(owner.generation), "gs-task": owner.taskId }),
    };
    const preload = preloadFor(pool);
    const metadata = {
      enrolUrl,
      caFingerprint: caFingerprint(),
      token,
      instanceId: id,
      ...(preload === undefined ? {} : { preload }),
    };
    const { address, port, version } = await provider.create(
      { id, pool, labels, metadata },
      { key: `create/${id}`, signal },
    );
    if (address === null) throw fail("vm_unreachable", `The provider gave ${id} no address.`);
    const place = { address, port, version };
    if (!(await store.running(id, place))) throw givenUp(id);
    return place;
  }

  /** Waits until the agent has enrolled and is as far as wanted. Woken by its enrolment, looks again at growing intervals. */
  async function comeUp(id: InstanceId, place: Place, wanted: Wanted, signal: AbortSignal): Promise<Reach> {
    let last: unknown;
    for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(SLOWEST_LOOK_MS, pauseMs * 1.4)) {
      const record = await store.get(id);
      // Whoever took it away has cleared it up as well; waiting on would only keep the pool from making another.
      if (record === undefined || record.vm.power === "deleting") throw givenUp(id);
      // Redis forgot that it runs: without that on record nobody would see it die.
      if (record.vm.power === "making") await store.running(id, place);
      const { reach } = record;
      const state =
        reach === null
          ? "absent"
          : await agents.status(id, reach, signal).then(
              ({ ide }) => ide,
              (error: unknown) => ((last = error), "absent" as const),
            );
      if (state === "failed") throw fail("ide_failed", `The IDE of ${id} did not start.`);
      if (reach !== null && (state === "ready" || (state === "starting" && wanted === "up"))) return reach;
      if (signal.aborted)
        throw signal.reason instanceof FailureError ? signal.reason : neverCame(id, vmStartMs, last, signal);
      await pauseOrEnrolment(id, pauseMs);
    }
  }

  async function pauseOrEnrolment(id: InstanceId, pauseMs: number): Promise<void> {
    const woken = new AbortController();
    waiting.set(id, () => woken.abort());
    await sleep(pauseMs, undefined, { signal: woken.signal }).catch(() => undefined);
    waiting.delete(id);
  }

  async function labelKey(id: InstanceId, keyFingerprint: string, signal: AbortSignal): Promise<void> {
    const call = { key: `key/${id}`, signal };
    const vm = await provider.get(id, call);
    if (vm === undefined) throw fail("not_found", `${id} vanished while it came up.`);
    await store.noteVersion(
      id,
      (await provider.label(id, { "gs-key": keyLabel(keyFingerprint) }, vm.version, call)).version,
    );
  }

  return {
    /** An agent has its certificate: whoever waits for it looks at once. */
    enrolled(id: InstanceId): void {
      waiting.get(id)?.();
    },
    /**
     * Makes the VM on record under `id` and waits for its agent. Safe to repeat. Times in milliseconds.
     * @throws {FailureError} the provider's failure, `ide_failed`, or `vm_unreachable` when it is not up in time.
     */
    async make(
      id: InstanceId,
      pool: PoolSpec,
      owner: Owner | null,
      wanted: Wanted,
      signal: AbortSignal,
    ): Promise<Made> {
      const within = AbortSignal.any([signal, AbortSignal.timeout(vmStartMs)]);
      const begunAt = performance.now();
      log.info({ instanceId: id, pool: pool.name, gitspaceId: owner?.gitspaceId }, "making a VM");
      const place = await create(id, pool, owner, within);
      const createdAt = performance.now();
      const reach = await comeUp(id, place, wanted, within);
      await labelKey(id, reach.keyFingerprint, within);
      const bootMs = performance.now() - createdAt;
      log.info(
        { instanceId: id, createMs: Math.round(createdAt - begunAt), bootMs: Math.round(bootMs) },
        "a VM came up",
      );
      return { reach, createMs: createdAt - begunAt, bootMs };
    },
  };
}

function givenUp(id: InstanceId): FailureError {
  return fail("conflict", `${id} was given up while it was being made.`);
}

function neverCame(id: InstanceId, vmStartMs: number, cause: unknown, signal: AbortSignal): unknown {
  if ((signal.reason as Error | undefined)?.name !== "TimeoutError") return signal.reason;
  return fail("vm_unreachable", `The agent of ${id} did not come up within ${Math.round(vmStartMs / 1_000)} s.`, {
    cause,
  });
}
