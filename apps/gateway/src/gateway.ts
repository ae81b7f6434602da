// Wires the gateway: what it knows (routes, access), whom it lets in (sessions), and the two doors it opens.
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "@gitspaces/contracts";
import {
  type Address,
  type Logger,
  peerClock,
  probeFolder,
  readSecret,
  retryUntil,
  startAdmin,
  startCanary,
  systemClock,
} from "@gitspaces/daemon";
import { certificateGauge, serverTls, type TlsIdentity } from "@gitspaces/daemon/certificates";
import type { Redis } from "ioredis";
import { Access } from "./access.ts";
import { followAccess } from "./access-feed.ts";
import { AccessFile, readAccessFile } from "./access-file.ts";
import { admit } from "./admission.ts";
import { Changes } from "./changes.ts";
import { type GatewayConfig, readSessionKey } from "./config.ts";
import { cookieNames } from "./cookies.ts";
import { openEdge } from "./edge/edge.ts";
import { makeRedirectServer } from "./edge/redirect.ts";
import { listenAt } from "./hand-over/doors.ts";
import { EventStreams } from "./hand-over/event-streams.ts";
import { endPolitely, stopPlainly } from "./hand-over/plain-stop.ts";
import { firstSeat, type Seat } from "./hand-over/seat.ts";
import { Writers } from "./hand-over/writers.ts";
import { forwarders } from "./forwarders.ts";
import type { House } from "./house.ts";
import { listenForVisits, open } from "./listener.ts";
import { type Connection, LiveConnections } from "./live-connections.ts";
import { checkRedis, connectRedis } from "./redis.ts";
import { LinkSessions } from "./passes/link-sessions.ts";
import { PassReader } from "./passes/pass-reader.ts";
import { PassUses } from "./passes/pass-uses.ts";
import { startReports } from "./reports.ts";
import { RouteFeed } from "./route-feed.ts";
import { Routes } from "./routes.ts";
import { Sessions } from "./sessions.ts";
import { sshHostKeysOf } from "./ssh/host-keys.ts";
import { openSsh } from "./ssh/open.ts";
import { createTaskRelay } from "./task-relay.ts";
import { Upstreams } from "./upstreams.ts";
import { Progress } from "./waiting/progress.ts";
import { Waiting } from "./waiting/waiting.ts";
import { Waker } from "./waiting/waker.ts";

const START_MS = 60_000;
/** Sessions run out without an event; this is how late that may be noticed on a live connection. */
const RECHECK_MS = 15_000;
export const VERSION = "0.1.0";

export type Gateway = {
  address: Address;
  sshAddress: Address;
  tasksAddress: Address;
  redirectAddress: Address | undefined;
  adminAddress: Address;
  house: House;
  /** Stops writing files and telling health: another process does from now on. */
  yield: () => Promise<void>;
  /** Says goodbye to whoever is connected, after the grace for requests. */
  endAll: () => Promise<void>;
} & AsyncDisposable;
/** The identity may be replaced while the gateway runs: `renewed` is called with each new one. */
export type IdentitySource = { present: TlsIdentity; onRenewed: (take: (identity: TlsIdentity) => void) => void };

/** Opens the gateway. Resolves once routes are loaded. @throws {FailureError} `bad_request` for wrong settings, `timeout` without Redis. */
export async function startGateway(
  config: GatewayConfig,
  identitySource: IdentitySource,
  log: Logger,
  signal: AbortSignal,
  { doors, turn, becomesCurrentMs }: Seat = firstSeat(),
): Promise<Gateway> {
  const sessionKey = readSessionKey(config.sessionKeyFile);
  // Codes, sessions and revocations carry the control plane's time, so they are judged by it.
  const clock = peerClock({ peer: "control plane", log });
  let isStopping = false;
  const controlPlane = {
    url: config.controlPlaneUrl,
    token: readSecret(config.gatewayTokenFile),
    onDate: clock.hear,
  };
  const redisPlace = {
    url: config.redisUrl,
    password: config.redisPasswordFile === undefined ? undefined : readSecret(config.redisPasswordFile),
  };
  const folder = join(config.dataFolder, "gateway");
  const scheme = new URL(config.publicUrl).protocol.slice(0, -1);
  const names = cookieNames(config.installation, scheme);
  let identity = identitySource.present;
  const hostKeys = sshHostKeysOf(folder);

  await using opened = new AsyncDisposableStack();
  const edge = opened.use(openEdge(config, { clock: systemClock, log }));
  const commands = opened.adopt(connectRedis(redisPlace, log, "gateway"), closeRedis);
  const subscriber = opened.adopt(connectRedis(redisPlace, log, "gateway-routes"), closeRedis);
  const changes = new Changes();
  const routes = new Routes();
  routes.onChange = (gitspaceId) => changes.tell(gitspaceId);
  const feed = opened.use(new RouteFeed({ commands, subscriber, routes, log }));

  const access = new Access(identity.controlPlaneKeys);
  const accessFile = join(folder, "access.json");
  const kept = await readAccessFile(accessFile, log);
  if (kept !== undefined) await access.restore(kept);

  const progress = opened.use(new Progress({ controlPlane, changes, log }));
  const waker = new Waker({ controlPlane, clock, log });
  const live = new LiveConnections();
  const waiting = new Waiting(
    { access, routes, changes, waker, progress, live, clock },
    { holdMs: config.holdMs, perGitspace: config.holdPerGitspace, inAll: config.holdInAll },
  );

  const house: House = {
    domain: config.domain,
    scheme,
    installation: config.installation,
    edge,
    controlPlanePublicUrl: config.controlPlanePublicUrl,
    names,
    access,
    routes,
    sessions: new Sessions(sessionKey, names.session, clock),
    links: new LinkSessions(sessionKey, { installation: config.installation, secure: names.secure }, clock),
    passes: new PassReader(),
    uses: new PassUses(clock, log),
    upstreams: new Upstreams(() => identity),
    forwarder: await forwarders[config.forwarder](),
    live,
    eventStreams: new EventStreams(),
    changes,
    waiting,
    progress,
    spend: async (key, seconds) => (await commands.set(key, "spent", "EX", seconds, "NX")) === "OK",
    clock,
    log,
  };
  const isStillAllowed = (connection: Connection): boolean => isAllowed(house, connection);
  access.onChange = (gitspaceId) => {
    if (gitspaceId !== undefined) waiting.heard(gitspaceId);
    changes.tell(gitspaceId);
    house.live.recheck(isStillAllowed, gitspaceId);
  };
  const recheck = setInterval(() => house.live.recheck(isStillAllowed), RECHECK_MS);
  recheck.unref();
  opened.defer(() => clearInterval(recheck));

  const accessFeed = opened.use(followAccess({ controlPlane, access, onChange: () => writers.changed(), log }));
  const isHealthy = (): boolean => feed.isCurrent && access.isLoaded;
  const writers = opened.use(
    new Writers({
      keepAccess: () => new AccessFile(accessFile, () => access.snapshot(), log),
      report: (file) =>
        startReports({
          controlPlane,
          gateway: config.gatewayName,
          version: VERSION,
          isHealthy,
          takeActivity: () => house.live.takeActivity(),
          takeUses: () => house.uses.take(),
          ssh: () => ({
            sshHostKeys: hostKeys.map(({ line }) => line),
            sshPort: config.sshPublicPort ?? ssh.address.port,
          }),
          countRoutes: () => house.routes.size,
          file,
          clock,
          log,
        }),
      reportsFile: join(folder, "reports.json"),
    }),
  );
  const loaded = async (): Promise<void> => {
    if (!feed.isCurrent) throw fail("internal", "routes are not loaded");
  };
  await retryUntil(loaded, {
    signal,
    deadlineMs: START_MS,
    log,
    what: "Redis with the routes",
    firstMs: 10,
    maxMs: 500,
  });
  await checkRedis(commands);
  await Promise.race([accessFeed.current, sleep(becomesCurrentMs, undefined, { ref: false })]);

  const relay = createTaskRelay({ identity: () => identity, routes, log });
  certificateGauge(() => identity.certificate);
  identitySource.onRenewed((renewed) => {
    identity = renewed;
    relay.setSecureContext(serverTls(renewed));
  });
  const tasks = opened.use(await open(relay, doors.at("tasks", config.tasksListen)));
  const visits = opened.use(await listenForVisits(house, doors.at("visits", config.listen)));
  const ssh = opened.use(await openSsh(house, hostKeys, doors.at("ssh", config.sshListen)));
  const redirect =
    config.redirectListen === undefined
      ? undefined
      : opened.use(await open(makeRedirectServer(edge), doors.at("redirect", config.redirectListen)));
  const redis = opened.use(startCanary({ what: "a round trip to Redis", trip: () => askRedis(commands, subscriber) }));
  const disk = opened.use(startCanary({ what: "a write to the data folder", trip: () => probeFolder(folder) }));
  const checks = {
    redis: redis.check,
    routes() {
      if (!feed.isCurrent)
        throw new Error("routes are not current, because Redis is away; those in memory still serve");
    },
    access: accessFeed.check,
    certificate: () => checkCertificate(identity, systemClock.now()),
    disk: disk.check,
    ...(edge.tls === undefined ? {} : { tls: () => edge.tls?.check() }),
    stopping() {
      if (isStopping) throw new Error("the gateway stops");
    },
  };
  const admin = opened.use(
    await startAdmin({ listen: doors.at("admin", config.adminListen), log, name: "gateway", checks, bind: listenAt }),
  );
  void turn.then(() => writers.begin());
  const { eventStreams } = house;
  const graceMs = config.stopGraceMs;
  const stopping = {
    doors,
    live,
    eventStreams,
    graceMs,
    unreadyMs: config.unreadyMs,
    setUnready: () => void (isStopping = true),
  };
  const closing = opened.move();
  return {
    address: visits.address,
    sshAddress: ssh.address,
    tasksAddress: tasks.address,
    redirectAddress: redirect?.address,
    adminAddress: admin.address,
    house,
    yield: () => writers.yield(),
    endAll: () => endPolitely({ live, eventStreams, graceMs }),
    async [Symbol.asyncDispose]() {
      await stopPlainly(stopping);
      await closing.disposeAsync();
    },
  };
}

function isAllowed({ access, clock }: House, { gitspaceId, port, session, isAllowed: judge }: Connection): boolean {
  if (judge !== undefined) return judge();
  const isRevoked = session !== undefined && session.pass === undefined && access.isRevoked(session);
  const isOver = isRevoked || (session !== undefined && session.expiresAt <= clock.now());
  const document = access.find(gitspaceId);
  // Whoever stops it means now, and not when its VM has gone.
  return !isOver && document?.state === "running" && admit(document, port, session) === "admitted";
}

/** Both connections answer. One that subscribes and does not is closed, so that it comes back and lists the routes anew. */
async function askRedis(commands: Redis, subscriber: Redis): Promise<void> {
  // Both are asked, whatever becomes of the other: a connection that is dead without saying so is found only when it is used.
  const answers = await Promise.allSettled([checkRedis(commands), subscriber.ping()]);
  for (const answered of answers) if (answered.status === "rejected") throw answered.reason;
}

function checkCertificate({ certificate }: TlsIdentity, now: number): void {
  const { validTo } = new X509Certificate(certificate);
  if (Date.parse(validTo) < now)
    throw new Error(`the gateway's certificate was valid until ${validTo}; is the runner's enrolment reachable?`);
}

async function closeRedis(redis: Redis): Promise<void> {
  redis.disconnect();
}
