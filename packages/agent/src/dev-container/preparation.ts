// From a repository to what the reference implementation is given: chosen, under the policy, and no longer the repository's to change.
import { readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fail } from "@gitspaces/contracts";
import { writeCompose, renderCompose } from "./compose-file.ts";
import type { ComposeFile } from "./compose-policy.ts";
import { chooseConfiguration, type Configuration, sourceOf } from "./configuration.ts";
import { sanitise } from "./configuration-policy.ts";
import { baseImages, copiesFiles, lastUser } from "./dockerfile.ts";
import { fingerprint } from "./fingerprint.ts";
import { parseMount } from "./mount-policy.ts";
import { type Bounds, isAllowedImage } from "./policy.ts";

export type Plan = {
  /** Where the configuration stands or would stand: relative paths in it count from there. Absolute. */
  configPath: string;
  configuration: Configuration;
  compose: ComposeFile | undefined;
  fingerprint: string;
  /** What the fingerprint is of, each by itself, by the name that people know it by. */
  inputs: Record<string, string>;
  /** The image holds files of the repository, so that it may be another one after each commit. */
  copiesFiles: boolean;
  /** In words: what is built or fetched. */
  source: string;
  /** The user that a Dockerfile names, which nobody else knows before it is built. */
  dockerfileUser: string | undefined;
  notes: string[];
  notApplied: string[];
};

type Preparing = {
  repository: string;
  devcontainerPath: string | undefined;
  defaultImage: string;
  /** Everything that decides on the container and is not the repository's. */
  ground: unknown;
  env: Record<string, string>;
  signal: AbortSignal;
};

/** @throws {FailureError} `devcontainer_invalid` or `bad_request`, naming file, line and column where they are known. */
export async function prepare(preparing: Preparing, bounds: Bounds): Promise<Plan> {
  const { repository, devcontainerPath, defaultImage, env, signal } = preparing;
  const chosen = chooseConfiguration(repository, devcontainerPath, defaultImage);
  const { configuration, notApplied } = sanitise(chosen, bounds);
  const path = resolve(repository, chosen.path ?? ".devcontainer/devcontainer.json");
  const folder = dirname(path);
  const files = [configuration.dockerComposeFile ?? []].flat().map((file) => resolve(folder, file));
  const dockerfile = dockerfileOf(configuration, folder);
  const text = dockerfile === undefined ? "" : readFileSync(dockerfile, "utf8");
  const foreign = baseImages(text).find((image) => !isAllowedImage(image, bounds.policy));
  if (foreign !== undefined)
    throw fail(
      "devcontainer_invalid",
      `The Dockerfile starts from ${foreign}, which is none of the images allowed here.`,
    );
  const compose =
    files.length === 0
      ? undefined
      : await renderCompose({ files, service: configuration.service ?? "", env, signal }, bounds);
  const digest = (value: unknown, paths: readonly string[] = []) => fingerprint(value, paths, repository);
  const localFeatures = Object.keys(configuration.features ?? {}).filter((name) => name.startsWith("."));
  const featureFolders = localFeatures.map((name) => resolve(folder, name));
  const paths = [...featureFolders, ...(dockerfile === undefined ? [] : [dockerfile])];
  return {
    // The reference implementation insists on the name.
    configPath: /^\.?devcontainer\.json$/.test(basename(path)) ? path : join(folder, "devcontainer.json"),
    configuration,
    compose: compose?.file,
    fingerprint: digest([configuration, compose?.file, preparing.ground, bounds.policy], paths),
    inputs: {
      "devcontainer.json": digest(configuration),
      "the Compose file": digest(compose?.file ?? null),
      "the Dockerfile": digest(text),
      "a feature of the repository": digest(localFeatures, featureFolders),
      "what the VM allows": digest([preparing.ground, bounds.policy]),
    },
    copiesFiles: copiesFiles(text),
    source: sourceOf({ configuration }),
    dockerfileUser: lastUser(text),
    notes: [...chosen.notes],
    notApplied: [...notApplied, ...(compose?.notApplied ?? [])],
  };
}

function dockerfileOf({ build, dockerFile }: Configuration, folder: string): string | undefined {
  const file = build?.dockerfile ?? dockerFile;
  return file === undefined ? undefined : resolve(folder, file);
}

/** The configuration with the VM's own mounts, as it is written for the reference implementation. `composeFile` is written where there is a Compose file. */
export function withMounts(
  { configuration, compose }: Pick<Plan, "configuration" | "compose">,
  ownMounts: readonly string[],
  composeFile: string,
): Configuration {
  if (compose === undefined) return { ...configuration, mounts: [...(configuration.mounts ?? []), ...ownMounts] };
  const name = configuration.service ?? "";
  const service = compose.services?.[name] ?? {};
  const parts = ownMounts.map(parseMount).map(({ type, source = "", rest }) => ({
    type,
    source,
    target: rest.find(([key]) => key === "target")?.[1] ?? "",
    isReadOnly: rest.some(([key]) => key === "readonly"),
  }));
  const mine = parts.map(({ source, target, isReadOnly }) => `${source}:${target}${isReadOnly ? ":ro" : ""}`);
  const volumes = parts.filter(({ type }) => type === "volume").map(({ source }) => [source, { external: true }]);
  writeCompose(composeFile, {
    ...compose,
    services: { ...compose.services, [name]: { ...service, volumes: [...listOf(service["volumes"]), ...mine] } },
    volumes: { ...(compose["volumes"] as object | undefined), ...Object.fromEntries(volumes) },
  });
  return { ...configuration, dockerComposeFile: [composeFile] };
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
