// What `up` was asked for, from its arguments and the variables an administrator may set.
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fail } from "@gitspaces/contracts";
import { DEFAULT_PORT_BASE, type Ports, portsFrom } from "./ports.ts";
import { edgeSettings, sharingSettings } from "./edge-settings.ts";
import { type ProviderKind, readProviderKind } from "./provider-choice.ts";

export type UpArguments = {
  detach?: boolean;
  json?: boolean;
  sample?: boolean;
  data?: string;
  portBase?: string;
  provider?: string;
};

export type UpOptions = {
  detach: boolean;
  json: boolean;
  sample: boolean;
  dataFolder: string;
  ports: Ports;
  /** The kind of VM that was asked for; nothing means the data folder's own. */
  provider: ProviderKind | undefined;
  /** Ports of this machine that Gitspaces may reach besides ours. */
  vmHostPorts: number[];
  /** What the gateway's edge is told: certificates, proxies, limits. */
  edge: Record<string, string>;
  /** What the control plane is told: how far owners may open ports. */
  sharing: Record<string, string>;
  /** Milliseconds since the epoch: when the command began, the installation of packages included. */
  startedAt: number;
};

/** The data folder of a command: the one it names, or `.data` of this checkout. */
export function dataFolderFrom(data: string | undefined): string {
  return data === undefined ? fileURLToPath(new URL("../../../.data", import.meta.url)) : resolve(data);
}

/** @throws {FailureError} `bad_request` naming the argument or variable that is wrong. */
export function readOptions(given: UpArguments, env: NodeJS.ProcessEnv, now: number): UpOptions {
  const base = given.portBase === undefined ? DEFAULT_PORT_BASE : Number(given.portBase);
  const began = Number(env["GITSPACES_UP_STARTED_AT"]);
  return {
    detach: given.detach ?? false,
    json: given.json ?? false,
    sample: given.sample ?? true,
    dataFolder: dataFolderFrom(given.data),
    ports: portsFrom(base),
    provider: readProvider(given.provider, env["GITSPACES_PROVIDER"]),
    edge: edgeSettings(env),
    sharing: sharingSettings(env),
    vmHostPorts: readPorts(env["GITSPACES_VM_HOST_PORTS"] ?? ""),
    startedAt: Number.isFinite(began) && began > 0 ? began : now,
  };
}

function readProvider(given: string | undefined, variable = ""): ProviderKind | undefined {
  if (given !== undefined) return readProviderKind(given, "--provider");
  return variable === "" ? undefined : readProviderKind(variable, "GITSPACES_PROVIDER");
}

function readPorts(text: string): number[] {
  const parts = text.split(",").map((part) => part.trim());
  const ports = parts.filter((part) => part !== "").map(Number);
  if (ports.every((port) => Number.isInteger(port) && port >= 1 && port <= 65_535)) return ports;
  throw fail("bad_request", `GITSPACES_VM_HOST_PORTS should be port numbers, such as 3128,8080, and is "${text}".`, {
    field: "GITSPACES_VM_HOST_PORTS",
  });
}
