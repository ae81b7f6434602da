// What of a devcontainer.json is done here, where hooks run in place and nothing builds a container. Pure.
import { basename } from "node:path";
import type { ChildEnvironment } from "./child-environment.ts";
import type { Devcontainer, HookCommand } from "./devcontainer.ts";

export const hookNames = ["onCreateCommand", "updateContentCommand", "postCreateCommand", "postStartCommand"] as const;
export type HookName = (typeof hookNames)[number];

/** `null` takes a variable away. */
export type Variables = Record<string, string | null>;
export type DevcontainerPlan = {
  hooks: { name: HookName; command: HookCommand }[];
  variables: Variables;
  /** One sentence for each thing that was asked for and is not done. */
  notApplied: string[];
};

const applied = new Set<string>([
  ...hookNames,
  "$schema",
  "name",
  "containerEnv",
  "remoteEnv",
  "forwardPorts",
  "waitFor",
]);

const reasons: Record<string, string> = {
  image: "the Gitspace runs without a container",
  build: "the Gitspace runs without a container",
  dockerFile: "the Gitspace runs without a container",
  dockerComposeFile: "the Gitspace runs without a container",
  features: "the Gitspace runs without a container",
  mounts: "the Gitspace runs without a container",
  runArgs: "the Gitspace runs without a container",
  initializeCommand: "it would run outside of the Gitspace",
  postAttachCommand: "it runs on attaching, which is not watched here",
  customizations: "extensions and settings are left to the person",
  remoteUser: "the Gitspace has one user",
  containerUser: "the Gitspace has one user",
  workspaceFolder: "the repository's place is fixed",
  workspaceMount: "the repository's place is fixed",
};

/** What to do with a devcontainer.json in this folder, under this environment. */
export function planDevcontainer(content: Devcontainer, folder: string, env: ChildEnvironment): DevcontainerPlan {
  const fill = (text: string) => substitute(text, folder, env);
  const variables = mapValues({ ...content.containerEnv, ...content.remoteEnv }, (value) =>
    value === null ? null : fill(value),
  );
  const hooks = hookNames.flatMap((name) => {
    const command = content[name];
    return command === undefined || command === "" ? [] : [{ name, command: fillCommand(command, fill) }];
  });
  const notApplied = Object.keys(content)
    .filter((name) => !applied.has(name))
    .map((name) => `"${name}" was not applied: ${reasons[name] ?? "it is not supported here"}.`);
  return { hooks, variables, notApplied };
}

function mapValues<A, B>(record: Record<string, A>, to: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, to(value)]));
}

function fillCommand(command: HookCommand, fill: (text: string) => string): HookCommand {
  const one = (each: string | string[]) => (typeof each === "string" ? fill(each) : each.map(fill));
  return typeof command === "string" || Array.isArray(command) ? one(command) : mapValues(command, one);
}

/** The variables of the dev container specification. Here the local and the container's folder are the same one. */
export function substitute(text: string, folder: string, env: ChildEnvironment): string {
  return text.replaceAll(/\$\{([^}]+)\}/g, (whole, inner: string) => {
    const [kind = "", name = "", ...fallback] = inner.split(":");
    if (kind === "localEnv" || kind === "containerEnv") return env[name] ?? fallback.join(":");
    if (/^(?:local|container)WorkspaceFolder$/.test(inner)) return folder;
    if (/^(?:local|container)WorkspaceFolderBasename$/.test(inner)) return basename(folder);
    return whole;
  });
}

/** An environment with variables set, and those taken away that are `null`. */
export function withVariables(env: ChildEnvironment, variables: Variables): ChildEnvironment {
  const merged = Object.entries({ ...env, ...variables });
  return Object.fromEntries(merged.filter((each): each is [string, string] => each[1] !== null));
}
