// The runner, wired: each thing is opened, then told how it closes. Closing goes the other way.
import { hostname } from "node:os";
import { join } from "node:path";
import {
  type Clock,
  type Logger,
  peerClock,
  probeFolder,
  readSecret,
  retryUntil,
  startCanary,
} from "@gitspaces/daemon";
import type { PoolSpec } from "@gitspaces/contracts";
import type { Provider } from "@gitspaces/providers";
import type { Redis } from "ioredis";
import { Registry } from "prom-client";
import { agentClient } from "./agent-client.ts";
import { type Ca, openCa } from "./ca.ts";
import { caMembers } from "./ca/members.ts";
import { startRotating } from "./ca/rotating.ts";
import { claiming } from "./claiming.ts";
import { claimStore } from "./claim-store.ts";
import type { RunnerConfig } from "./config.ts";
import { enrolmentTokens } from "./enrolment-tokens.ts";
import { type EnrolmentListener, startEnrolment } from "./enrolment.ts";
import { withPoints } from "./failpoints.ts";
import { gitspaceLock } from "./gitspace-lock.ts";
import { homeDisks } from "./home-disk.ts";
import { mending } from "./mending.ts";
import { runnerMetrics } from "./metrics.ts";
import { openOwnIdentity } from "./own-identity.ts";
import { type PoolLoop, startPoolLoop } from "./pool-loop.ts";
import { poolStates, tellingPools } from "./pool-states.ts";
import { recordSurvey } from "./record-survey.ts";
import { checkRedis, openRedis } from "./redis.ts";
import { redisMemory } from "./redis-memory.ts";
import { POOLS_CHANNEL } from "./script.ts";
import { startSweepLoop } from "./sweep-loop.ts";
import { sweeper } from "./sweep.ts";
import { startTaskWorker } from "./task-worker.ts";
import { vmMaking } from "./vm-making.ts";
import { vmRemoval } from "./vm-removal.ts";
import { vmStore } from "./vm-store.ts";
import { vmTasks } from "./vm-tasks.ts";

type Options = {
  config: RunnerConfig;
  pools: readonly PoolSpec[];
  provider: Provider;
  log: Logger;
  signal: AbortSignal;
  clock?: Clock;
  register?: Registry;
};

export type Runner = AsyncDisposable & {
  enrolment: EnrolmentListener["address"];
  ca: Pick<Ca, "certificate" | "fingerprint">;
  checks: Record<string, () => Promise<void> | void>;
};

/** Whoever takes a task that was left finds its Gitspace free. */
const GITSPACE_LOCK_PART = 2 / 3;
const FIRST_SWEEP_DEADLINE_MS = 60_000;
const HEAR_REDIS_MS = 5_000;

/** Starts serving: enrolment first, then what is there is taken over, then the pools, then tasks. */
export async function startRunner({
  config,
  pools,
  provider,
  log,
  signal,
  clock: given,
  register = new Registry(),
}: Options): Promise<Runner> {
  await using opened = new AsyncDisposableStack();
  const { installation, vmStartMs, enrolUrl } = config;
  const redis = await openRedis({ ...config, signal });
  opened.defer(async () => void (await redis.quit().catch(() => redis.disconnect())));
  await checkRedis(redis, config.redisDurability);
  // All runners and delegates share one Redis, so its time is theirs: ages, leases and deadlines in it agree, whoever's clock is off.
  const redisClock = peerClock({ peer: "Redis", log });
  const clock = given ?? redisClock;
  const hearRedis = async () => redisClock.hear(toMs(await redis.time()));
  await hearRedis();
  const hearing = setInterval(() => void hearRedis().catch(() => undefined), HEAR_REDIS_MS);
  opened.defer(() => clearInterval(hearing));

  const caFolder = join(config.dataFolder, "ca");
  const ca = await openCa(caFolder, installation, clock.now(), config.certificateLifeMs);
  const own = opened.use(
    await openOwnIdentity({ ca, installation, clock, log, onRenewed: (next) => enrolment.useIdentity(next) }),
  );
  const [store, claims, tokens, agents, metrics] = [
    withPoints.store(vmStore(redis, log)),
    withPoints.claims(claimStore(redis)),
    withPoints.tokens(enrolmentTokens(redis)),
    withPoints.agents(agentClient(own)),
    runnerMetrics(register),
  ];
  const members = caMembers(redis, store, installation);
  const making = vmMaking({
    provider: withPoints.provider(provider, "making"),
    store,
    tokens,
    agents,
    installation,
    enrolUrl,
    caFingerprint: () => ca.fingerprint,
    vmStartMs,
    log,
  });
  const removal = vmRemoval({ provider: withPoints.provider(provider, "removal"), store, log });
  const disks = homeDisks({ provider: withPoints.provider(provider, "disks"), store, removal, installation, log });
  const enrolment = opened.use(
    await startEnrolment(config.enrolListen, {
      ca,
      identity: own.current,
      installation,
      members,
      tokens,
      joinTokens: {
        delegate: () => readSecret(config.delegateEnrolTokenFile),
        gateway: () => readSecret(config.gatewayEnrolTokenFile),
      },
      store,
      provider,
      controlPlaneKeysFile: config.controlPlaneKeysFile,
      clock,
      log,
      onEnrolled: (id) => making.enrolled(id),
    }),
  );

  metrics.certificate(() => own.current.certificate);
  opened.use(
    startRotating({
      ca,
      folder: caFolder,
      members,
      clock,
      log,
      onChange: async () => await own.renew(),
      onProgress: (progress) => metrics.rotation(progress),
    }),
  );

  // Nobody else can listen there as long as this runner does, so a lease in this name is its own or that of one that died.
  const holder = `${hostname()}/${enrolment.address.host}:${enrolment.address.port}`;
  const mender = withPoints.mender(mending(redis));
  const sweep = sweeper({
    pools,
    provider,
    store,
    survey: recordSurvey(redis, store, claims),
    mender,
    claims,
    agents,
    removal,
    installation,
    holder,
    vmStartMs,
    clock,
    log,
  });
  const memory = redisMemory(redis);
  const compare = async (until: AbortSignal) => await memory.vouchAfter(() => sweep(until));
  await retryUntil(() => compare(signal), {
    signal,
    deadlineMs: FIRST_SWEEP_DEADLINE_MS,
    log,
    what: "The list of VMs",
  });

  const loops = new Map<string, PoolLoop>();
  opened.use(await listenForChanges(redis, (pool) => loops.get(pool)?.look()));
  for (const pool of pools) {
    loops.set(
      pool.name,
      opened.use(startPoolLoop({ pool, store, making, removal, provider, metrics, holder, vmStartMs, clock, log })),
    );
  }
  const lookAtAll = () => {
    for (const loop of loops.values()) loop.look();
  };
  opened.use(
    startSweepLoop({ sweep: compare, memory, store, holder, everyMs: config.sweepMs, log, afterSweep: lookAtAll }),
  );

  const claimed = claiming({
    pools,
    provider: withPoints.provider(provider, "claiming"),
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
  });
  const tasks = vmTasks({
    claims,
    store,
    mender,
    provider,
    claiming: claimed,
    removal,
    disks,
    alone: gitspaceLock(claims, config.taskLockMs * GITSPACE_LOCK_PART, log),
  });
  const states = poolStates(redis, pools, (pool) => loops.get(pool)?.trouble());
  const worker = opened.use(
    startTaskWorker({ redis, tasks: tellingPools(tasks, states), taskLockMs: config.taskLockMs, metrics, clock, log }),
  );
  const folders = [config.dataFolder, caFolder];
  const disk = opened.use(
    startCanary({
      what: "a write to the data folder",
      trip: async () => void (await Promise.all(folders.map(probeFolder))),
    }),
  );

  const close = opened.move();
  return {
    enrolment: enrolment.address,
    ca,
    checks: {
      redis: async () => await checkRedis(redis, config.redisDurability),
      records: async () => await memory.check(),
      provider: async () => void (await provider.list({ key: "check", signal: AbortSignal.timeout(2_500) })),
      worker: () => worker.check(),
      pools: () => checkPools(loops),
      disk: disk.check,
    },
    [Symbol.asyncDispose]: async () => await close.disposeAsync(),
  };
}

/** What `TIME` answers, in milliseconds since the epoch. */
function toMs([seconds, microseconds]: (number | string)[]): number {
  return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
}

function checkPools(loops: ReadonlyMap<string, PoolLoop>): void {
  const troubles = [...loops].flatMap(([name, loop]) =>
    loop.trouble() === undefined ? [] : [`${name}: ${loop.trouble()}`],
  );
  if (troubles.length > 0) throw new Error(troubles.join("; "));
}

/** Calls back with the name of a pool whenever a runner changed it. A connection that subscribes does nothing else. */
async function listenForChanges(redis: Redis, changed: (pool: string) => void): Promise<AsyncDisposable> {
  const subscriber = redis.duplicate();
  subscriber.on("error", () => undefined);
  subscriber.on("message", (_channel, pool) => changed(pool));
  await subscriber.subscribe(POOLS_CHANNEL);
  return { [Symbol.asyncDispose]: async () => void (await subscriber.quit().catch(() => subscriber.disconnect())) };
}
