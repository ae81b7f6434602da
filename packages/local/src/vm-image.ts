// The images of the docker provider's VMs and of the default dev container: built from this checkout, named by what is in them.
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fail, toFailure } from "@gitspaces/contracts";
import { type BuildProgress, buildImage, whileLocked } from "@gitspaces/providers/process";
import { cacheFolderFrom } from "./process-ground.ts";
import { archive } from "./vm-image-context.ts";
import { ImageEngine } from "./vm-image-engine.ts";
import {
  agentRecipe,
  devContainerRecipe,
  machineRecipe,
  type Recipe,
  type Surroundings,
  treeParts,
  withParts,
} from "./vm-image-recipes.ts";

export type VmImages = { vm: string; devContainer: string };

export type VmImageWanted = {
  /** DOCKER_HOST, GITSPACES_BASE_IMAGE (default debian:bookworm-slim), cache folder, proxies, NODE_EXTRA_CA_CERTS. */
  env: NodeJS.ProcessEnv;
  onProgress?: (progress: BuildProgress) => void;
  signal: AbortSignal;
};

const DEFAULT_HOST = "unix:///var/run/docker.sock";
const DEFAULT_BASE = "debian:bookworm-slim";
/** Of each kind; more than one checkout may share an engine. */
const KEPT_IMAGES = 5;

/**
 * Sees that the engine has `gitspaces/vm:latest` and `gitspaces/dev-container:latest` of this checkout and gives their names by
 * digest. Nothing is built when nothing changed; a change of the agent builds one small layer; the first time takes minutes.
 * @throws {FailureError} `unsupported` when no base image is in reach, `internal` with the build's last words, `cancelled`.
 */
export async function ensureVmImage({ env, onProgress = () => {}, signal }: VmImageWanted): Promise<VmImages> {
  const ide = await ensureIde(env, (progress) => onProgress({ ...progress, share: progress.share * 0.5 }), signal);
  const engine = new ImageEngine(env["DOCKER_HOST"] || DEFAULT_HOST);
  return await whileLocked(cacheFolderFrom(env), "the build of the VMs' image", signal, async () => {
    const base = env["GITSPACES_BASE_IMAGE"] || DEFAULT_BASE;
    const surroundings: Surroundings = { base, baseId: await ensureBase(engine, base, signal), env };
    const make = async (recipe: Recipe, phase: string, from: number, to: number) =>
      await ensure(engine, recipe, (share) => onProgress({ phase, share: from + (to - from) * share }), signal);
    const machine = await make(machineRecipe(surroundings, ide), "the machine", 0.5, 0.85);
    const vm = await make(agentRecipe(machine), "the agent", 0.85, 0.9);
    const devContainer = await make(devContainerRecipe(surroundings), "the dev container", 0.9, 1);
    onProgress({ phase: "done", share: 1 });
    return { vm, devContainer };
  });
}

/** Writes what lies below /opt/gitspaces of a VM to `file`, a tar archive for `provision.sh --tree`. */
export async function writeVmTree(file: string, { env, onProgress = () => {}, signal }: VmImageWanted): Promise<void> {
  const { parts, renames } = treeParts(await ensureIde(env, onProgress, signal));
  await pipeline(archive(parts, { whole: false, renames, signal }), createWriteStream(file), { signal });
}

async function ensureIde(env: NodeJS.ProcessEnv, onProgress: (progress: BuildProgress) => void, signal: AbortSignal) {
  const cache = cacheFolderFrom(env);
  const folders = { imagesFolder: join(cache, "vm-image"), cacheFolder: join(cache, "images") };
  return await buildImage({ ...folders, onProgress, signal });
}

async function ensureBase(engine: ImageEngine, base: string, signal: AbortSignal): Promise<string> {
  const known = await engine.imageId(base, signal);
  if (known !== undefined) return known;
  await engine.pull(base, signal).catch((cause: unknown) => {
    const { message } = toFailure(cause);
    throw fail("unsupported", `${message} Load ${base} into the engine, or name another in GITSPACES_BASE_IMAGE.`, {
      field: "GITSPACES_BASE_IMAGE",
      cause,
    });
  });
  return (await engine.imageId(base, signal)) ?? base;
}

async function ensure(engine: ImageEngine, recipe: Recipe, onStep: (share: number) => void, signal: AbortSignal) {
  const { name, digest, dockerfile, args, whole } = recipe;
  const tag = `${name}:${digest}`;
  if ((await engine.imageId(tag, signal)) === undefined) {
    await withParts(recipe, async (parts) => {
      const context = archive(parts, { whole, signal });
      await engine.build({ context, dockerfile, tag, args, onStep, signal });
    });
    await engine.keepNewest(name, KEPT_IMAGES, tag, signal);
  }
  await engine.tag(tag, `${name}:latest`, signal);
  return tag;
}
