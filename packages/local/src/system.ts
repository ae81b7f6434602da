// A whole local installation in one place: opened in the order in which its parts need each other, closed in reverse.
import { mkdirSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { readSecret } from "@gitspaces/daemon";
import { connectControlPlane } from "./control-plane.ts";
import { type DaemonProgram, daemonPrograms, type Layout, publicUrl } from "./daemons.ts";
import { startGitServer } from "./git-server.ts";
import { openHello } from "./hello.ts";
import { keepInstallation, keepPoolFile } from "./installation.ts";
import { clearLeftovers } from "./leftovers.ts";
import { takeLock } from "./lock.ts";
import type { UpOptions } from "./options.ts";
import { checkPorts } from "./ports.ts";
import { forgetProcesses } from "./process-list.ts";
import { type KeptProgram, keepProgram, type Program } from "./program.ts";
import { chooseProvider, noteProvider } from "./provider-choice.ts";
import { waitUntilReady } from "./readiness.ts";
import { redisProgram, waitForRedis, waitForWarmVm } from "./redis.ts";
import type { News, Ready } from "./report.ts";
import { keepSample } from "./sample.ts";
import { makeSecrets } from "./secrets.ts";
import { writeUpFile } from "./up-file.ts";
import { groundOf } from "./vm-ground.ts";

const READY_DEADLINE_MS = 60_000;
const WARM_DEADLINE_MS = 30_000;
const DEFAULT_POOL = "default";
const HELLO_DEADLINE_MS = 180_000;

export type System = AsyncDisposable & {
  ready: Ready;
  uiLink: string;
};

type Surroundings = { tell: (news: News) => void; signal: AbortSignal; programs: Set<KeptProgram> };

/**
 * Starts everything and gives it running; what was started before a failure is stopped again.
 * Every program started is in `programs`, so that a hasty end can kill them.
 * @throws {FailureError} naming what is wrong and the cure.
 */
export async function startSystem(options: UpOptions, { tell, signal, programs }: Surroundings): Promise<System> {
  const { dataFolder, ports } = options;
  const line = (text: string) => tell({ news: "line", text });
  await using opened = new AsyncDisposableStack();

  makeDataFolder(dataFolder);
  opened.use(takeLock(dataFolder));
  const ground = await groundOf(chooseProvider(dataFolder, options.provider), process.env);
  const leftovers = await clearLeftovers(dataFolder, ground);
  if (leftovers.length > 0) line(`Ended what an earlier run had left: ${leftovers.join(", ")}.`);
  await checkPorts(ports);

  const installation = keepInstallation(dataFolder);
  const secrets = await makeSecrets(dataFolder);
  keepPoolFile(dataFolder, ground);
  const hostPorts = [ports.sample, ...options.vmHostPorts];
  const enrolmentPort = ports.enrolment;
  const open = opened.use(await ground.open({ dataFolder, installation, enrolmentPort, hostPorts, tell, signal }));
  noteProvider(dataFolder, ground.kind);
  const layout: Layout = {
    dataFolder,
    installation,
    ports,
    secrets,
    edge: options.edge,
    sharing: options.sharing,
    ground: open,
  };

  const keep = (program: Program) => {
    const kept = opened.use(keepProgram(program, { dataFolder, say: line }));
    programs.add(kept);
    return kept;
  };

  opened.defer(() => forgetProcesses(dataFolder));
  const redis = keep(redisProgram(dataFolder, ports.redis, secrets));
  await Promise.all([
    open.ensureImage(),
    Promise.race([
      waitForRedis(ports.redis, secrets, deadline(signal, READY_DEADLINE_MS, "Redis did not answer")),
      redis.failed,
    ]),
  ]);
  redis.started();

  opened.defer(() => ground.powerOffVms(dataFolder));
  // The first that fails ends the wait for the others.
  const oneFailed = new AbortController();
  const starting = AbortSignal.any([signal, oneFailed.signal]);
  const start = async (program: DaemonProgram, kept: KeptProgram) => {
    try {
      await waitUntilReady({ ...program, program: kept, deadlineMs: READY_DEADLINE_MS, signal: starting });
    } catch (error) {
      oneFailed.abort(error);
      throw error;
    }
  };
  const daemons = daemonPrograms(layout);
  // The order in which they stop, reversed: traffic first, what records everything last.
  const order = [daemons["control-plane"], daemons.runner, daemons.delegate, daemons.gateway];
  await Promise.all(order.map((program) => [program, keep(program)] as const).map((pair) => start(...pair)));

  const url = `http://127.0.0.1:${ports.control_plane}`;
  const controlPlane = connectControlPlane(
    url,
    secrets.adminToken,
    deadline(signal, HELLO_DEADLINE_MS, "The sample Gitspace did not run"),
  );
  opened.use(
    writeUpFile({
      ui: publicUrl(ports),
      data: dataFolder,
      admin_token_file: secrets.adminToken,
      pid: process.pid,
      ports,
      started_at: Date.now(),
      installation,
      host_address: open.hostAddress,
      provider: ground.kind,
      ...(ground.engine === undefined ? {} : { engine: ground.engine }),
    }),
  );

  if (!(await waitForWarmVm(ports.redis, secrets, { pool: DEFAULT_POOL, deadlineMs: WARM_DEADLINE_MS, signal }))) {
    line("No VM stands ready yet; the next start makes its own.");
  }
  const sample = await openSample();
  const ready: Ready = {
    state: "ready",
    ui: publicUrl(ports),
    gitspace: sample === undefined ? null : await openHello(controlPlane, sample),
    took_ms: 0,
    data: dataFolder,
    ports,
  };
  const uiLink = await controlPlane.signInLink();
  ready.took_ms = Math.max(0, Math.round(Date.now() - options.startedAt));
  const everything = opened.move();
  return { ready, uiLink, [Symbol.asyncDispose]: () => everything.disposeAsync() };

  async function openSample(): Promise<{ url: string; tokenFile: string } | undefined> {
    if (!options.sample) return undefined;
    const server = await startGitServer({
      folder: await keepSample(dataFolder),
      host: open.hostAddress,
      port: ports.sample,
      token: readSecret(secrets.sampleToken),
    });
    opened.use(server);
    return { url: server.url("hello"), tokenFile: secrets.sampleToken };
  }
}

function makeDataFolder(dataFolder: string): void {
  if (!isAbsolute(dataFolder)) throw fail("bad_request", "The data folder should be an absolute path.");
  try {
    mkdirSync(join(dataFolder, "logs"), { recursive: true, mode: 0o700 });
  } catch (cause) {
    const reason = (cause as Error).message;
    throw fail(
      "denied",
      `The data folder ${dataFolder} cannot be written (${reason}). Choose one of your own with --data.`,
      {
        field: "data",
        cause,
      },
    );
  }
}

/** Aborts with the signal, or after `ms` with a failure that says what was not there in time. */
function deadline(signal: AbortSignal, ms: number, what: string): AbortSignal {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(fail("timeout", `${what} within ${ms / 1_000} s.`)), ms);
  timer.unref();
  return AbortSignal.any([signal, late.signal]);
}
