// The delegate, wired: opened in order, closed in reverse, and gone on with what the journal says was not finished.
import { realpathSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { dirname, join } from "node:path";
import { FailureError, taskTypes, type RegisterRequest } from "@gitspaces/contracts";
import {
  type Logger,
  peerClock,
  probeFolder,
  readSecret,
  startAdmin,
  startCanary,
  systemClock,
  withFailpoints,
} from "@gitspaces/daemon";
import { makeAccountToken } from "./account-token.ts";
import type { Config } from "./config.ts";
import { openControlPlane } from "./control-plane.ts";
import { watchControlPlane } from "./control-plane-health.ts";
import { openCourier } from "./courier.ts";
import { keepEnrolled } from "./enrolled.ts";
import { controlPlanePoints, journalPoints } from "./failpoints.ts";
import { openGatewayTasks } from "./gateway-tasks.ts";
import { openIntake } from "./intake.ts";
import { openJournal } from "./journal.ts";
import { openOutbox } from "./outbox.ts";
import { pollForTasks } from "./poll.ts";
import { openRegistration } from "./registration.ts";
import { watchReusedIds } from "./reused-ids.ts";
import { openRunnerQueue } from "./runner-queue.ts";
import { makeSlots } from "./slots.ts";
import { openWork } from "./work.ts";
import type { Workplace } from "./workplace.ts";

const FLUSH_MS = 5_000;
const FIRST_REGISTRATION_MS = 60_000;
const KEEP_MS = 7 * 24 * 60 * 60_000;
const PRUNE_EVERY_MS = 60 * 60_000;

/**
 * Starts the delegate. What was unfinished goes on at once; the promise resolves when the control plane knows us, or after a
 * minute without it: work in hand does not need it. Disposing stops polling, lets answers on their way arrive, hands back nothing.
 * @throws {FailureError} `bad_request` for a secret that is missing or malformed.
 */
export async function startDelegate(config: Config, log: Logger, signal: AbortSignal): Promise<AsyncDisposable> {
  log.level = config.logLevel;
  // Deadlines and tokens are judged by the control plane, so its time counts here.
  const clock = peerClock({ peer: "control plane", log });
  const secret = readSecret(config.delegateTokenFile);
  const password = config.redisPasswordFile === undefined ? undefined : readSecret(config.redisPasswordFile);
  const ca = config.controlPlaneCaFile === undefined ? undefined : readSecret(config.controlPlaneCaFile);
  const token = makeAccountToken(config.accountId, secret, clock);

  await using opened = new AsyncDisposableStack();
  const database = config.database ?? join(config.dataFolder, "delegate.db");
  const onDisk = opened.use(openJournal(database, () => clock.now()));
  const journal = withFailpoints("delegate", onDisk, journalPoints);
  const health = watchControlPlane(log);
  const { controlPlaneUrl: url, accountId } = config;
  const dialled = opened.use(
    openControlPlane({ url, accountId, token, ca, onOutcome: health.note, onDate: (date) => clock.hear(date) }),
  );
  const controlPlane = withFailpoints("delegate", dialled, controlPlanePoints);
  const slots = makeSlots(config.slots, () => registration.beat());
  const describe = () => describeDelegate(config, slots.free());
  const registration = opened.use(openRegistration({ controlPlane, journal, describe, log }));
  const courier = opened.use(openCourier({ journal, controlPlane, log }));
  const outbox = opened.use(openOutbox({ journal, controlPlane, courier, registration, log }));
  opened.defer(() => outbox.flush(FLUSH_MS));

  const runner = opened.use(openRunnerQueue(config.redisUrl, password, log, clock));
  // One that is away is waited for; one that may lose what is queued is refused.
  await runner.ping().catch((error: unknown) => {
    if (error instanceof FailureError) throw error;
  });
  const gateway = opened.use(openGatewayTasks(config.gatewayTasksUrl, log));
  opened.use(keepEnrolled({ config, onIdentity: (identity) => gateway.setIdentity(identity), log }));
  const placeOf = (type: string) => (type.startsWith("vm.") ? runner : gateway) as Workplace;
  const work = opened.use(openWork({ journal, courier, outbox, slots, placeOf, clock, log }));

  const stop = new AbortController();
  const { signal: stopping } = stop;
  const intake = openIntake({
    journal,
    controlPlane,
    registration,
    slots,
    work,
    outbox,
    reused: watchReusedIds({ controlPlane, log, signal: stopping }),
    clock,
    log,
    signal: stopping,
  });
  for (const held of journal.unanswered()) {
    slots.keep(held.id);
    work.begin(held);
  }
  courier.resume();
  outbox.resume();
  const resuming = intake.resume();
  const polling = pollForTasks({ controlPlane, registration, intake, work, slots, log, signal: stop.signal });
  opened.defer(async () => {
    stop.abort();
    await Promise.allSettled([polling, resuming]);
  });

  const tidying = runner.tidy((id) => !["acquiring", "accepted", undefined].includes(journal.find(id)?.state));
  tidying.catch((error: unknown) => log.debug({ reason: (error as Error).message }, "finished jobs were not tidied"));
  const prune = () => {
    try {
      journal.prune(clock.now() - KEEP_MS);
    } catch (err) {
      log.error({ err }, "old tasks could not be removed");
    }
  };
  prune();
  const pruning = setInterval(prune, PRUNE_EVERY_MS);
  opened.defer(() => clearInterval(pruning));

  const canary = opened.use(
    startCanary({
      what: "a write to the journal",
      async trip() {
        try {
          journal.probe();
          await probeFolder(dirname(realpathSync(database)));
        } catch (error) {
          journal.giveRoomBack();
          throw error;
        }
      },
    }),
  );
  const checks = {
    controlPlane: () => {
      health.check();
      if (registration.id() === undefined) throw new Error("not registered with the control plane");
    },
    redis: () => runner.ping(),
    journal: () => canary.check(),
    gateway: () => gateway.check(),
  };
  opened.use(await startAdmin({ listen: config.adminListen, log, name: "delegate", checks }));

  const patience = AbortSignal.any([signal, AbortSignal.timeout(FIRST_REGISTRATION_MS)]);
  await registration.registered(patience).catch(() => {
    signal.throwIfAborted();
    log.warn({ controlPlaneUrl: config.controlPlaneUrl }, "the control plane is not there yet, going on without it");
  });
  const close = opened.move();
  return { [Symbol.asyncDispose]: () => close.disposeAsync() };
}

function describeDelegate({ accountId, delegateName, tags }: Config, freeSlots: number): RegisterRequest {
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((each) => each !== undefined && !each.internal && each.family === "IPv4");
  return {
    accountId,
    delegateName,
    delegateType: "DOCKER",
    hostName: hostname().replaceAll(" ", "-"),
    ip: outside?.address ?? "127.0.0.1",
    ng: true,
    pollingModeEnabled: true,
    heartbeatAsObject: true,
    sequenceNum: 1,
    lastHeartBeat: systemClock.now(),
    supportedTaskTypes: [...taskTypes],
    tags,
    freeSlots,
  };
}
