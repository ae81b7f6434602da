// Wiring: each thing is opened, then told how it closes. What the workplace warms comes first, since it takes longest.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Logger, retryUntil, systemClock, withFailpoints } from "@gitspaces/daemon";
import { enrol, keepCertificate } from "@gitspaces/daemon/certificates";
import { childEnvironment } from "./child-environment.ts";
import type { AgentConfig } from "./config.ts";
import { performTask } from "./gitspace.ts";
import { givenByStart, openGitBroker } from "./git-broker.ts";
import { agentStatus, type House, stateOf } from "./house.ts";
import { folderDisk } from "./home-disk.ts";
import { IdentityStore } from "./identity.ts";
import type { Workplace } from "./workplace.ts";
import { Journal } from "./journal.ts";
import { Ports } from "./ports.ts";
import { placesOf } from "./dev-container/places.ts";
import { endProcesses } from "./process-tree.ts";
import { openRunFolder } from "./run-folder.ts";
import { startServer } from "./server.ts";
import { TaskDesk } from "./task-desk.ts";

const ENROL_DEADLINE_MS = 60_000;

/** Starts an agent; what it gives closes everything in reverse. `port` is where it listens. */
export async function startAgent(
  config: AgentConfig,
  log: Logger,
  signal: AbortSignal,
): Promise<AsyncDisposable & { port: number }> {
  await using opened = new AsyncDisposableStack();
  const { home, stateFolder, metadata, listen, isolation } = config;
  const { instanceId } = metadata;
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  mkdirSync(home, { recursive: true });

  // What an earlier life of this agent left running would work beside us on the same files.
  await endProcesses(instanceId, isolation, 0);
  const runFolder = opened.use(openRunFolder(stateFolder)).path;
  const env = { ...childEnvironment(process.env, home, instanceId), XDG_RUNTIME_DIR: runFolder };
  const journal = withFailpoints("agent", opened.use(new Journal(join(stateFolder, "journal.db"))), {
    add: "Task",
    append: "Events",
    answer: "Answer",
    setFact: "Fact",
    raiseGeneration: "Generation",
  });
  const identities = withFailpoints("agent", new IdentityStore(stateFolder), { take: "Identity" });
  const ports = new Ports(isolation, instanceId);
  opened.defer(async () => void (await endProcesses(instanceId, isolation, 1_000)));
  const homeDisk = withFailpoints("agent", folderDisk(home), { attached: "HomeDisk" });
  const places = config.workplace === "dev-container" ? placesOf(config) : { cloning: {}, disks: [] };
  const ground = { instanceId, home, runFolder, env, homeDisk, identities, journal, log, ...places };
  const workplace = opened.use(await openWorkplace(config, ground, ports));
  const house: House = { ...ground, workplace };
  if (!["stopped", "removed"].includes(stateOf(house))) workplace.warm();

  const { enrolUrl, caFingerprint, token } = metadata;
  const files = { keyFile: join(stateFolder, "key.pem"), certificateFile: join(stateFolder, "certificate.json") };
  const enrolment = { enrolUrl, caFingerprint, name: instanceId, role: "vm" as const, ...files, signal };
  const certificate = await retryUntil(async () => await enrol({ ...enrolment, token }), {
    signal,
    deadlineMs: ENROL_DEADLINE_MS,
    log,
    what: "the enrolment listener",
  });

  const perform = async (work: Parameters<typeof performTask>[1]) => await performTask(house, work);
  const desk = opened.use(new TaskDesk({ journal, identities, perform, clock: systemClock, log }));
  const server = opened.use(
    await startServer({
      listen,
      certificate,
      status: () => agentStatus(house),
      identities,
      journal,
      desk,
      tunnels: { workplace, claimed: () => identities.identity !== undefined },
      log,
    }),
  );
  ports.ownPort = server.port;
  opened.use(
    keepCertificate({
      ...enrolment,
      identity: certificate,
      onRenewed: (renewed) => server.useCertificate(renewed),
      log,
    }),
  );
  desk.resume();
  log.info({ port: server.port, instanceId }, "agent listens");

  const close = opened.move();
  return { port: server.port, [Symbol.asyncDispose]: async () => await close.disposeAsync() };
}

/** Only the workplace that is chosen is loaded: the other one's code would cost every idle VM its memory. */
async function openWorkplace(
  config: AgentConfig,
  ground: Omit<House, "workplace">,
  ports: Ports,
): Promise<Workplace & AsyncDisposable> {
  if (config.workplace === "dev-container") {
    const { openContainers } = await import("./dev-container/open.ts");
    return await openContainers(config, ground);
  }
  const { openInPlace } = await import("./in-place.ts");
  const { openGitInPlace } = await import("./git-in-place.ts");
  const broker = openGitBroker({ given: async () => await givenByStart(ground), log: ground.log });
  const git = await openGitInPlace({ broker, runFolder: ground.runFolder, stateFolder: config.stateFolder });
  return openInPlace({ ...ground, git, isolation: config.isolation, imageFolder: config.imageFolder, ports });
}
