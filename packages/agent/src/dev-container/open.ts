// Wiring of the workplace with a dev container, from the agent's configuration. Loaded only where it is used.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { withFailpoints } from "@gitspaces/daemon";
import { VM_MARKER } from "../child-environment.ts";
import type { AgentConfig } from "../config.ts";
import { claimHome, OWN_FOLDER } from "../home-disk.ts";
import { type House, stateOf } from "../house.ts";
import { openTaskSecrets } from "../task-secrets.ts";
import type { Work } from "../work.ts";
import type { Workplace } from "../workplace.ts";
import type { Container } from "./container.ts";
import { lowDisks, watchDisks } from "./disk-watch.ts";
import { Engine } from "./engine.ts";
import { Ground } from "./ground.ts";
import { openContainerIde } from "./ide.ts";
import { innerAnswers, prepareGit } from "./inner-answers.ts";
import { openInnerDoor } from "./inner-door.ts";
import { openInsideFolder } from "./inside-folder.ts";
import { KnownChanges } from "./known-changes.ts";
import type { Policy } from "./policy.ts";
import { engineHostOf } from "./places.ts";
import { archived, Preload } from "./preload.ts";
import type { PreparedHold } from "./prepared-hold.ts";
import { openDevContainer } from "./workplace.ts";
import { openSshInside } from "./ssh-inside.ts";

type Built = Omit<House, "workplace">;

/** Opens it; disposing leaves engine, container and IDE to the next life of this agent. */
export async function openContainers(config: AgentConfig, house: Built): Promise<Workplace & AsyncDisposable> {
  const { home, stateFolder, imageFolder, imagesFolder, defaultImage, homeVolume } = config;
  const { journal, identities, homeDisk, log } = house;
  await using opened = new AsyncDisposableStack();
  const engine = openEngine(config, house);
  const inside = await openInsideFolder({
    folder: join(stateFolder, "inside"),
    imageFolder,
    node: process.execPath,
  });
  let raised: Container | undefined;
  const answers = innerAnswers({ house, present: () => raised });
  const door = opened.use(await openInnerDoor({ inside, answers, log }));
  // Work that is over hears nothing any more; the log always does.
  let present: Work | undefined;
  const tell = (sentence: string) => {
    log.info({ sentence }, "note of the dev container");
    present?.emit("note", sentence);
  };
  const ide = withFailpoints("agent", openContainerIde({ engine, inside, note: tell, log }), {
    stop: "ContainerIdeStop",
  });
  opened.use(watchDisks(house.disks, tell, log));

  const standing = () => {
    if (stateOf(house) !== "running") return undefined;
    const task = journal.standingStart()?.task;
    return task?.type === "gitspace.start" ? task : undefined;
  };
  const images = [...archived(imagesFolder, [defaultImage]), ...(config.metadata.preload?.images ?? [])];
  const hold = await openHold({ config, house, engine, mounts: inside.mounts });
  if (hold !== undefined) opened.use(hold);
  const workplace = opened.use(
    openDevContainer({
      home,
      engine,
      ground: new Ground({ engine, home, volumesPlace: join(config.engineStore, "volumes") }),
      preload: new Preload({
        images: [...new Set(images)],
        folder: imagesFolder,
        engine,
        preparation: hold?.preparation,
        keepEngine: config.warmEngine === "running",
        log,
      }),
      ide,
      ssh: openSshInside({ engine, inside, home }),
      changes: new KnownChanges(stateFolder),
      async raise(work, { clone, devcontainerPath, secrets }) {
        const { raiseContainer } = await import("./raising.ts");
        present = work;
        for (const sentence of await lowDisks(house.disks)) tell(sentence);
        const policy = await policyOf(config);
        const prepared = await hold?.offer(work, clone.folder);
        const wanted = {
          prepared,
          clone,
          devcontainerPath,
          homeVolume,
          policy,
          defaultImage,
          mounts: inside.mounts,
          secrets,
        };
        const folders = { runFolder: house.runFolder, stateFolder: join(home, OWN_FOLDER, "dev-container") };
        // A hook may fetch or push already.
        const beforeHooks = async (container: Container) => {
          raised = container;
          door.giveTo(container.user);
          await prepareGit(work, { clone, devcontainerPath, secrets }, { engine, inside, container });
        };
        raised = await raiseContainer(work, { engine, ...wanted, ...folders, beforeHooks });
        hold?.giveUp();
        return raised;
      },
      async askGit(container, folder) {
        const { askAbout } = await import("./asking-git.ts");
        return await askAbout({ engine, container, folder, defaultImage, env: house.env });
      },
      claimed: () => identities.identity !== undefined,
      folder: () => journal.fact("folder"),
      standing,
      wanted: async (task) => ({
        clone: { folder: journal.fact("folder") ?? "", fresh: false },
        devcontainerPath: task.data.devcontainerPath,
        secrets: await openTaskSecrets(house, task),
      }),
      async homeBack(signal) {
        await homeDisk.attached(identities.identity?.homeDisk ?? "", signal);
        claimHome(home, journal.generation);
      },
      log,
    }),
  );
  const close = opened.move();
  return Object.assign(workplace, { [Symbol.asyncDispose]: async () => await close.disposeAsync() });
}

/** Where this VM is told to hold a repository; loaded only there. */
async function openHold({
  config,
  house,
  engine,
  mounts,
}: {
  config: AgentConfig;
  house: Built;
  engine: Engine;
  mounts: readonly string[];
}): Promise<PreparedHold | undefined> {
  const repository = config.metadata.preload?.repository;
  const { as, hosts } = house.cloning;
  if (repository === undefined || as === undefined) return undefined;
  const { PreparedHold: Hold } = await import("./prepared-hold.ts");
  const { homeVolume, defaultImage, preparedFolder: folder, metadataFile } = config;
  const { env, log, runFolder } = house;
  const ground = async () => ({ homeVolume, defaultImage, mounts, runFolder, policy: await policyOf(config) });
  const cloning = { env, as, ...(hosts === undefined ? {} : { hosts }) };
  const hold = new Hold({ repository, folder, metadataFile, engine, cloning, ground, log });
  if (house.identities.identity !== undefined) hold.preparation.wipe();
  return hold;
}

/** The engine's own programs see nothing of the person's environment, and no configuration but what they are given. */
function openEngine(config: AgentConfig, { env, log }: Built): Engine {
  const { [VM_MARKER]: _mark, ...plain } = env;
  const homeOfTools = join(config.stateFolder, "engine");
  mkdirSync(homeOfTools, { recursive: true, mode: 0o700 });
  return new Engine({
    command: config.engineCommand,
    host: engineHostOf(config, process.env),
    env: { ...plain, PATH: process.env["PATH"] ?? plain["PATH"] ?? "", HOME: homeOfTools },
    logFile: config.engineLog,
    log,
  });
}

async function policyOf({ policyFile }: AgentConfig): Promise<Policy> {
  const [{ strictPolicy }, { readPolicy }] = await Promise.all([import("./policy.ts"), import("./policy-file.ts")]);
  return policyFile === undefined ? strictPolicy : readPolicy(policyFile);
}
