// What each image is made of: its parts, its arguments, and the digest that changes exactly when one of them does.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { digestOf, filesOf, type Part } from "./vm-image-context.ts";
import { isLink, manifestOf, productionDependencies } from "./vm-image-dependencies.ts";
import { ownCertificates, proxyArguments, writeCertificates } from "./vm-image-surroundings.ts";

export type Recipe = {
  name: string;
  digest: string;
  dockerfile: string;
  args: Record<string, string>;
  parts: Part[];
  certificates: readonly string[];
  /** Everything below the parts belongs to it; else tests are left out. */
  whole: boolean;
};

export type Surroundings = { base: string; baseId: string; env: NodeJS.ProcessEnv };

const root = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");
const recipeFolder = join(root, "deploy/image");

/** Packages of the distribution, Node and the IDE, which lies in the folder `ide`: what changes rarely. */
export function machineRecipe({ base, baseId, env }: Surroundings, ide: string): Recipe {
  const own: Part = { folder: recipeFolder, names: ["Dockerfile", "provision.sh", "files"] };
  const certificates = ownCertificates(env);
  const node = `${process.version}-${process.arch}`;
  return {
    name: "gitspaces/vm-machine",
    digest: digestOf([...filesOf(own), baseId, node, basename(ide), ...certificates]),
    dockerfile: "Dockerfile",
    args: { BASE: base, IDE: basename(ide), ...proxyArguments(env) },
    parts: [own, nodePart(), idePart(ide)],
    certificates,
    whole: true,
  };
}

/** The agent as this checkout has it and its production libraries, on the image `machine`. */
export function agentRecipe(machine: string): Recipe {
  const { sources, libraries, versions } = agentParts();
  const own: Part = { folder: recipeFolder, names: ["agent.Dockerfile", "bin"] };
  return {
    name: "gitspaces/vm",
    digest: digestOf([machine, ...filesOf(own), ...filesOf(sources), ...versions]),
    dockerfile: "agent.Dockerfile",
    args: { MACHINE: machine },
    parts: [own, manifestPart, sources, libraries],
    certificates: [],
    whole: false,
  };
}

/** The dev container of a Gitspace that names none. */
export function devContainerRecipe({ base, baseId, env }: Surroundings): Recipe {
  const own: Part = { folder: join(recipeFolder, "dev-container"), names: ["Dockerfile"] };
  const certificates = ownCertificates(env);
  const trusted = certificates.length > 0 ? { NODE_CERTIFICATES: "/etc/ssl/certs/ca-certificates.crt" } : {};
  return {
    name: "gitspaces/dev-container",
    digest: digestOf([...filesOf(own), baseId, ...certificates]),
    dockerfile: "Dockerfile",
    args: { BASE: base, ...trusted, ...proxyArguments(env) },
    parts: [own],
    certificates,
    whole: true,
  };
}

/** Everything below /opt/gitspaces of a VM, for machines that are no container; `renames` give the parts their names there. */
export function treeParts(ide: string): { parts: Part[]; renames: [string, string][] } {
  const { sources, libraries } = agentParts();
  const programs: Part = { folder: recipeFolder, names: ["bin"] };
  return {
    parts: [programs, manifestPart, sources, libraries, nodePart(), idePart(ide)],
    renames: [
      ["node$", "bin/node"],
      [`${basename(ide)}/`, "ide/"],
    ],
  };
}

/** Does `work` with the recipe's parts and, where it has any, the folder of its certificates. */
export async function withParts<T>(recipe: Recipe, work: (parts: Part[]) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "gitspaces-image-"));
  try {
    await writeCertificates(join(folder, "certificates"), recipe.certificates);
    return await work([...recipe.parts, { folder, names: ["certificates"] }]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const manifestPart: Part = { folder: join(recipeFolder, "files"), names: ["package.json"] };
const nodePart = (): Part => ({ folder: dirname(process.execPath), names: [basename(process.execPath)] });
const idePart = (ide: string): Part => ({ folder: dirname(ide), names: [`${basename(ide)}/node_modules`] });

function agentParts() {
  const { workspaces, libraries } = productionDependencies(root, "packages/agent");
  const versions = libraries.map((folder) =>
    isLink(root, folder) ? folder : `${folder}@${manifestOf(root, folder).version ?? ""}`,
  );
  const names = workspaces.flatMap((folder) => [`${folder}/package.json`, `${folder}/src`]);
  return { sources: { folder: root, names }, libraries: { folder: root, names: libraries }, versions };
}
