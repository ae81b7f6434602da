// The images of the docker provider's VMs and of the default dev container: built from this checkout, named by what is in them.
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, toFailure } from "@gitspaces/contracts";
import { type BuildProgress, buildImage, whileLocked } from "@gitspaces/providers/process";
import { cacheFolderFrom } from "./process-ground.ts";
import { archive, digestOf, filesOf, type Part } from "./vm-image-context.ts";
import { isLink, manifestOf, productionDependencies } from "./vm-image-dependencies.ts";
import { ImageEngine } from "./vm-image-engine.ts";
import { ownCertificates, proxyArguments, writeCertificates } from "./vm-image-surroundings.ts";

export type VmImages = { vm: string; devContainer: string };

export type VmImageWanted = {
  /** DOCKER_HOST, GITSPACES_BASE_IMAGE (default debian:bookworm-slim), cache folder, proxies, NODE_EXTRA_CA_CERTS. */
  env: NodeJS.ProcessEnv;
  onProgress?: (progress: BuildProgress) => void;
  signal: AbortSignal;
};

const root = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");
const recipe = join(root, "deploy/image");
const DEFAULT_HOST = "unix:///var/run/docker.sock";
const DEFAULT_BASE = "debian:bookworm-slim";

type Work = { engine: ImageEngine; base: string; baseId: string; env: NodeJS.ProcessEnv; signal: AbortSignal };
type Recipe = { name: string; digest: string; build: (tag: string, onStep: (share: number) => void) => Promise<void> };

/**
 * Sees that the engine has `gitspaces/vm:latest` and `gitspaces/dev-container:latest` of this checkout and gives their names by
 * digest. Nothing is built when nothing changed; a change of the agent builds one small layer; the first time takes minutes.
 * @throws {FailureError} `unsupported` when no base image is in reach, `internal` with the build's last words, `cancelled`.
 */
export async function ensureVmImage({ env, onProgress = () => {}, signal }: VmImageWanted): Promise<VmImages> {
  const cache = cacheFolderFrom(env);
  const ide = await buildImage({
    imagesFolder: join(cache, "vm-image"),
    cacheFolder: join(cache, "images"),
    onProgress: ({ phase, share }) => onProgress({ phase, share: share * 0.5 }),
    signal,
  });
  return await whileLocked(cache, "the build of the VMs' image", signal, async () => {
    const engine = new ImageEngine(env["DOCKER_HOST"] || DEFAULT_HOST);
    const base = env["GITSPACES_BASE_IMAGE"] || DEFAULT_BASE;
    const work = { engine, base, baseId: await ensureBase(engine, base, signal), env, signal };
    const steps = (phase: string, from: number, to: number) => (share: number) =>
      onProgress({ phase, share: from + (to - from) * share });
    const machine = await ensure(work, machineRecipe(work, ide), steps("the machine", 0.5, 0.85));
    const vm = await ensure(work, agentRecipe(work, machine), steps("the agent", 0.85, 0.9));
    const devContainer = await ensure(work, devContainerRecipe(work), steps("the dev container", 0.9, 1));
    onProgress({ phase: "done", share: 1 });
    return { vm, devContainer };
  });
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

async function ensure({ engine, signal }: Work, { name, digest, build }: Recipe, onStep: (share: number) => void) {
  const tag = `${name}:${digest}`;
  if ((await engine.imageId(tag, signal)) === undefined) await build(tag, onStep);
  await engine.tag(tag, `${name}:latest`, signal);
  return tag;
}

/** Packages of the distribution, Node and the IDE. */
function machineRecipe(work: Work, ide: string): Recipe {
  const own: Part = { folder: recipe, names: ["Dockerfile", "provision.sh", "files"] };
  const certificates = ownCertificates(work.env);
  const node = `${process.version}-${process.arch}`;
  return {
    name: "gitspaces/vm-machine",
    digest: digestOf([...filesOf(own), work.baseId, node, basename(ide), ...certificates]),
    build: (tag, onStep) =>
      withCertificates(certificates, async (made) => {
        // The program under its real name may be a link; the archive needs the file itself.
        const nodeFolder = { folder: dirname(process.execPath), names: [basename(process.execPath)] };
        const parts = [own, nodeFolder, { folder: dirname(ide), names: [`${basename(ide)}/node_modules`] }, made];
        await work.engine.build({
          context: archive(parts, { whole: true, signal: work.signal }),
          dockerfile: "Dockerfile",
          tag,
          args: { BASE: work.base, IDE: basename(ide), ...proxyArguments(work.env) },
          onStep,
          signal: work.signal,
        });
      }),
  };
}

/** The agent as this checkout has it, and its production libraries. */
function agentRecipe(work: Work, machine: string): Recipe {
  const { sources, libraries, described } = agentParts();
  const own: Part = { folder: recipe, names: ["agent.Dockerfile", "bin"] };
  return {
    name: "gitspaces/vm",
    digest: digestOf([machine, ...filesOf(own), ...filesOf(sources), ...described]),
    build: async (tag, onStep) =>
      await work.engine.build({
        context: archive([own, sources, libraries, manifest], { whole: false, signal: work.signal }),
        dockerfile: "agent.Dockerfile",
        tag,
        args: { MACHINE: machine },
        onStep,
        signal: work.signal,
      }),
  };
}

const manifest: Part = { folder: recipe + "/files", names: ["package.json"] };

function agentParts() {
  const { workspaces, libraries } = productionDependencies(root, "packages/agent");
  const described = libraries.map((folder) =>
    isLink(root, folder) ? folder : `${folder}@${manifestOf(root, folder).version ?? ""}`,
  );
  const names = workspaces.flatMap((folder) => [`${folder}/package.json`, `${folder}/src`]);
  return { sources: { folder: root, names }, libraries: { folder: root, names: libraries }, described };
}

/** The dev container of a Gitspace that names none. */
function devContainerRecipe(work: Work): Recipe {
  const own: Part = { folder: join(recipe, "dev-container"), names: ["Dockerfile"] };
  const certificates = ownCertificates(work.env);
  return {
    name: "gitspaces/dev-container",
    digest: digestOf([...filesOf(own), work.baseId, ...certificates]),
    build: (tag, onStep) =>
      withCertificates(certificates, async (made) => {
        const trusted = certificates.length > 0 ? { NODE_CERTIFICATES: "/etc/ssl/certs/ca-certificates.crt" } : {};
        await work.engine.build({
          context: archive([own, made], { whole: true, signal: work.signal }),
          dockerfile: "Dockerfile",
          tag,
          args: { BASE: work.base, ...trusted, ...proxyArguments(work.env) },
          onStep,
          signal: work.signal,
        });
      }),
  };
}

async function withCertificates(certificates: readonly string[], build: (made: Part) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "gitspaces-image-"));
  try {
    await writeCertificates(join(folder, "certificates"), certificates);
    await build({ folder, names: ["certificates"] });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
