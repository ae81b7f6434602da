// The workplace with a dev container: engine, container, IDE and ports of one Gitspace, brought up, kept up and ended.
import { fail } from "@gitspaces/contracts";
import { failpoint, type Logger } from "@gitspaces/daemon";
import type { Work } from "../work.ts";
import type { Raised, Wanted, Workplace } from "../workplace.ts";
import type { Container } from "./container.ts";
import { containerPorts, dialContainer } from "./container-ports.ts";
import { stopContainers } from "./contained.ts";
import { type Dialler, openDialler } from "./dialler.ts";
import type { Engine } from "./engine.ts";
import type { Ground } from "./ground.ts";
import type { ContainerIde } from "./ide.ts";
import { Keeper } from "./keeper.ts";
import type { KnownChanges } from "./known-changes.ts";
import { isAlive, lifeOf } from "./life.ts";
import type { Preload } from "./preload.ts";
import { type StartTask, workOfReturn } from "./resumption.ts";
import type { SshInside } from "./ssh-inside.ts";

export type DevContainerParts = {
  home: string;
  engine: Engine;
  ground: Ground;
  preload: Preload;
  ide: ContainerIde;
  ssh: SshInside;
  changes: KnownChanges;
  /** From a clone to a container that runs, its hooks done; one that is there and fits is taken as it is. */
  raise(work: Work, wanted: Wanted): Promise<Container>;
  /** Asks git inside the container whether `folder` holds work that is nowhere else. */
  askGit(container: Container | undefined, folder: string): Promise<boolean>;
  /** Whether this VM has a Gitspace. */
  claimed(): boolean;
  /** The clone, as the last start left it. */
  folder(): string | undefined;
  /** The start that is to stand: what the journal says should run now. */
  standing(): StartTask | undefined;
  wanted(task: StartTask): Promise<Wanted>;
  /** Resolves when the home disk is there and still this VM's. @throws {FailureError} `superseded` */
  homeBack(signal: AbortSignal): Promise<void>;
  log: Logger;
};

const ENGINE_PATIENCE_MS = 20_000;
const QUESTIONS = 3;

/** Opens it; disposing leaves container and engine as they are, for the next life of this agent. */
export function openDevContainer(parts: DevContainerParts): Workplace & AsyncDisposable {
  const { home, engine, ground, preload, ide, ssh, changes, log } = parts;
  let present: { container: Container; life: string | undefined; dialler: Dialler | undefined } | undefined;

  const letGo = async () => {
    await present?.dialler?.[Symbol.asyncDispose]();
    present = undefined;
  };
  const use = async (container: Container) => {
    await letGo();
    present = { container, life: lifeOf(container.pid), dialler: undefined };
    ide.start(container);
  };
  const complaint = async () => {
    if (parts.standing() === undefined) return undefined;
    if (present === undefined) return "this agent was away";
    if (!isAlive(present.container.pid, present.life)) return "the container ended";
    if (ide.state === "failed") return "the IDE failed";
    return (await isSilent(engine)) ? "the engine does not answer" : undefined;
  };
  const recover = async (signal: AbortSignal) => {
    const task = parts.standing();
    if (task === undefined) return;
    await parts.homeBack(signal);
    await ground.open();
    await mendEngine(engine, signal);
    const work = workOfReturn(task, log, signal);
    await use(await parts.raise(work, await parts.wanted(task)));
    failpoint("agent.afterReturn");
    await ide.ready(signal);
  };
  const keeper = new Keeper({ complaint, recover, log });
  const quiet = async () => {
    await keeper.letGo();
    await preload.stop();
  };

  return {
    get state() {
      if (parts.claimed()) return ide.state;
      return preload.ready ? "ready" : "starting";
    },
    warm() {
      if (!parts.claimed()) preload.start();
      else if (parts.standing() !== undefined) keeper.keep();
    },
    async settle() {
      await quiet();
      changes.forget();
      await ground.open();
    },
    async raise(work, wanted): Promise<Raised> {
      const container = await work.stage("devcontainer", async () => {
        await engine.ready(work.signal);
        await preload.catchUp(work.signal);
        return await parts.raise(work, wanted);
      });
      await use(container);
      failpoint("agent.afterContainer");
      await work.stage("ide", async () => await tellOfIde(work, ide));
      keeper.keep();
      return { folder: container.workspaceFolder, user: container.user.name, notApplied: container.notApplied };
    },
    async end() {
      await quiet();
      const folder = parts.folder();
      await ide.stop();
      if (await reachable(engine, ground, log)) {
        if (folder !== undefined && changes.of(folder) === undefined)
          changes.keep(folder, await parts.askGit(present?.container, folder));
        await stopContainers(engine, home, log);
      }
      await letGo();
      await ground.close();
    },
    async hasGitChanges(folder) {
      if (folder === undefined) return false;
      return changes.of(folder) ?? (await parts.askGit(present?.container, folder));
    },
    ports: () => (present === undefined ? [] : containerPorts(present.container)),
    async dial(port) {
      if (present === undefined) throw fail("vm_unreachable", "The dev container is not running.");
      present.dialler ??= openDialler(present.container.pid);
      return await dialContainer(present.container, present.dialler, port);
    },
    dialIde: async () => await ide.dial(),
    async dialSsh(keys) {
      if (present === undefined) throw fail("vm_unreachable", "The dev container is not running.");
      return await ssh.dial(present.container, keys);
    },
    async [Symbol.asyncDispose]() {
      await quiet();
      await letGo();
      await ide[Symbol.asyncDispose]();
    },
  };
}

async function tellOfIde(work: Work, ide: ContainerIde): Promise<void> {
  work.emit("agent_ide_start", "Opening the IDE");
  try {
    await ide.ready(work.signal);
  } catch (error) {
    if (!work.signal.aborted)
      work.emit("agent_ide_failed", error instanceof Error ? error.message : "The IDE did not start");
    throw error;
  }
  failpoint("agent.afterContainerIde");
  work.emit("agent_ide_completed", "The IDE is ready");
}

/** An engine that is merely busy may miss one question. */
async function isSilent(engine: Engine): Promise<boolean> {
  for (let asked = 0; asked < QUESTIONS; asked++) if (await engine.answers()) return false;
  return true;
}

/** Waits for the engine; one that hangs is ended and started once more. */
async function mendEngine(engine: Engine, signal: AbortSignal): Promise<void> {
  try {
    await engine.ready(signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!engine.own) throw error;
    await engine.stop();
    await engine.ready(signal);
  }
}

/** Whether containers can be asked to end. An engine that died while they ran is started for it; one that slept is left asleep. */
async function reachable(engine: Engine, ground: Ground, log: Logger): Promise<boolean> {
  if (await engine.answers()) return true;
  if (!ground.isOpen()) return false;
  try {
    await engine.ready(AbortSignal.timeout(ENGINE_PATIENCE_MS));
    return true;
  } catch (error) {
    log.error({ err: error }, "the engine does not answer, so its containers end with it");
    return false;
  }
}
