// A devcontainer.json under the policy: what would run or read on the VM is taken out or refused before anybody acts on it. Pure.
import { dirname, resolve } from "node:path";
import { fail, type FailureError } from "@gitspaces/contracts";
import type { Chosen, Configuration } from "./configuration.ts";
import { parseMount, refuseMount } from "./mount-policy.ts";
import { type Bounds, isAllowedImage, isInside, refuseCapability, refuseSecurityOption } from "./policy.ts";
import { filterRunArgs } from "./run-policy.ts";

export type Sanitised = { configuration: Configuration; notApplied: string[] };

/** Options of `docker build` that neither read files of the VM nor leave the build's own network. */
const harmlessBuildOption =
  /^--(?:build-arg|target|platform|pull|no-cache|force-rm|rm|label|progress|shm-size|ulimit|memory|cpu-shares|add-host)(?:=|$)/;

/** Those of them that stand alone: what comes next would be an option of its own once its variables are filled in. */
const buildFlag = /^--(?:pull|no-cache|force-rm|rm)$/;

/**
 * The configuration as the reference implementation may have it, and a sentence for each thing left out.
 * @throws {FailureError} `devcontainer_invalid` where leaving something out would build something else than was asked for.
 */
export function sanitise({ path, configuration }: Chosen, bounds: Bounds): Sanitised {
  const notApplied: string[] = [];
  const out = (name: string, reason: string) => void notApplied.push(`${name} was not applied: ${reason}.`);
  const result: Record<string, unknown> = { ...configuration };
  if (path !== undefined) checkFiles(path, configuration, bounds);
  if (configuration.image !== undefined && !isAllowedImage(configuration.image, bounds.policy))
    throw refusal(path, "image", `${configuration.image} is none of the images allowed here`);

  if (result["initializeCommand"] !== undefined) {
    out("initializeCommand", "it would run outside of the dev container");
    delete result["initializeCommand"];
  }
  if (result["appPort"] !== undefined) {
    out("appPort", "ports are reached through the gateway, none is opened on the VM");
    delete result["appPort"];
  }
  if (result["privileged"] === true && !bounds.policy.allowPrivileged) {
    out("privileged", "root inside would be root of the VM");
    delete result["privileged"];
  }
  result["capAdd"] = keep(result["capAdd"], (name) => refuseCapability(name, bounds.policy), "capAdd", out);
  result["securityOpt"] = keep(
    result["securityOpt"],
    (option) => refuseSecurityOption(option, bounds.policy),
    "securityOpt",
    out,
  );
  if (configuration.runArgs !== undefined) {
    const { kept, notApplied: refused } = filterRunArgs(configuration.runArgs, bounds);
    result["runArgs"] = kept;
    notApplied.push(...refused.map((sentence) => `runArgs: ${sentence}`));
  }
  result["mounts"] = configuration.mounts?.filter((mount) => {
    const text = fillFolder(typeof mount === "string" ? mount : mountText(mount), bounds.workspace);
    const reason = refuseMount(text, bounds);
    if (reason !== undefined) out(`mounts: ${text}`, reason);
    return reason === undefined;
  });
  keepWorkspaceMount(result, configuration, bounds, out);
  if (configuration.build?.options !== undefined)
    result["build"] = { ...configuration.build, options: buildOptions(configuration.build.options, out) };
  return { configuration: withoutNothing(result), notApplied };
}

function keep(
  value: unknown,
  rule: (text: string) => string | undefined,
  name: string,
  out: (name: string, reason: string) => void,
): string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.map(String).filter((text) => {
    const reason = rule(text);
    if (reason !== undefined) out(`${name} ${text}`, reason);
    return reason === undefined;
  });
}

/** A workspace from elsewhere would not be the clone; without its mount the usual folder inside is the right one. */
function keepWorkspaceMount(
  result: Record<string, unknown>,
  { workspaceMount, dockerComposeFile }: Configuration,
  bounds: Bounds,
  out: (name: string, reason: string) => void,
): void {
  if (workspaceMount === undefined || dockerComposeFile !== undefined) return;
  const text = fillFolder(workspaceMount, bounds.workspace);
  const isClone = parseMount(text).type === "bind" && refuseMount(text, bounds) === undefined;
  if (isClone) return;
  out(`workspaceMount ${text}`, "the workspace is the repository's clone");
  delete result["workspaceMount"];
  delete result["workspaceFolder"];
}

function buildOptions(options: readonly string[], out: (name: string, reason: string) => void): string[] {
  const kept: string[] = [];
  for (let at = 0; at < options.length; at++) {
    const option = options[at] ?? "";
    const value = options[at + 1];
    const isPair = !option.includes("=") && !buildFlag.test(option) && value !== undefined && !value.startsWith("-");
    if (isPair) at++;
    const both = isPair ? [option, value] : [option];
    if (harmlessBuildOption.test(option)) kept.push(...both);
    else
      out(`build.options ${both.join(" ")}`, "a build reads the repository alone and has no other network or rights");
  }
  return kept;
}

/** Dockerfile, context, Compose files and local features are of the repository, wherever symbolic links lead. */
function checkFiles(path: string, configuration: Configuration, bounds: Bounds): void {
  const { build, dockerFile, context, dockerComposeFile, features } = configuration;
  const folder = dirname(resolve(bounds.workspace, path));
  const files: [string, string | undefined][] = [
    ["build.dockerfile", build?.dockerfile],
    ["build.context", build?.context],
    ["dockerFile", dockerFile],
    ["context", context],
    ...[dockerComposeFile ?? []].flat().map((file): [string, string] => ["dockerComposeFile", file]),
    ...Object.keys(features ?? {})
      .filter((name) => /^[./]/.test(name))
      .map((name): [string, string] => ["features", name]),
  ];
  for (const [field, file] of files) {
    if (file === undefined) continue;
    const filled = fillFolder(file, bounds.workspace);
    // The reference implementation would fill it in: what is looked at here would not be what is read.
    if (filled.includes("${")) throw refusal(path, field, `${file} should be written without variables`);
    const there = resolve(folder, filled);
    if (bounds.resolve(there) === undefined) throw refusal(path, field, `${file} is not there`);
    if (!isInside(there, bounds)) throw refusal(path, field, `${file} leads out of the repository`);
  }
}

function refusal(path: string | undefined, field: string, what: string): FailureError {
  const message = `${path ?? "devcontainer.json"}: ${field}: ${what}. Mend it in the repository, then start again.`;
  return fail("devcontainer_invalid", message, { field });
}

function mountText(mount: Record<string, unknown>): string {
  return Object.entries(mount)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(",");
}

function fillFolder(text: string, folder: string): string {
  return text
    .replaceAll("${localWorkspaceFolder}", folder)
    .replaceAll("${localWorkspaceFolderBasename}", folder.split("/").at(-1) ?? "")
    .replaceAll("${devcontainerId}", "id");
}

function withoutNothing(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}
