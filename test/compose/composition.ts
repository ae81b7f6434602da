// One composed system of a test: its own project, ports and network, and nothing left of it at the end.
import { execFile, execFileSync } from "node:child_process";
import { promisify } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "@gitspaces/daemon/testing";
import { apiClient, type Api } from "../e2e/api.ts";
import { docker } from "./engine.ts";

const run = promisify(execFile);
const HEALTHY_MS = 120_000;

export type Clone = { folder: string; env: Record<string, string> };
export type Container = {
  Name: string;
  State: { Status: string; ExitCode: number; Health?: { Status: string; Log: { Output: string }[] } };
  Config: { User: string; Labels: Record<string, string> };
  HostConfig: { ReadonlyRootfs: boolean; CapDrop: string[] | null; CapAdd: string[] | null; SecurityOpt: string[] };
  NetworkSettings: {
    Networks: Record<string, { IPAddress: string }>;
    Ports: Record<string, { HostIp: string }[] | null>;
  };
  Mounts: { Source: string; Destination: string }[];
};

export type Composition = AsyncDisposable & {
  env: Record<string, string>;
  controlPlanePort: number;
  gatewayPort: number;
  compose(...args: string[]): Promise<string>;
  /** The container of a service, as the engine has it. */
  inspect(service: string): Promise<Container>;
  /** Waits until each service says that it can do its work. @throws with the reasons of one that cannot. */
  healthy(...services: string[]): Promise<void>;
  /** The public API as administrator. */
  api(): Promise<Api>;
};

/** docker-compose 1.29 where it is, else Compose v2. */
function composeCommand(): [string, ...string[]] {
  try {
    execFileSync("docker-compose", ["version"], { stdio: "ignore" });
    return ["docker-compose"];
  } catch {
    return ["docker", "compose"];
  }
}

/** Prepares a project in the clone; nothing is started. `files` are added to the clone's own docker-compose.yml. */
export async function openComposition(
  clone: Clone,
  name: string,
  { env: more = {}, files = [] }: { env?: Record<string, string>; files?: string[] } = {},
): Promise<Composition> {
  const project = `gst${process.pid}${name}`;
  const [controlPlanePort, gatewayPort] = [await freePort(), await freePort()];
  const env: Record<string, string> = {
    ...clone.env,
    COMPOSE_PROJECT_NAME: project,
    GITSPACES_CONTROL_PLANE_PORT: String(controlPlanePort),
    GITSPACES_GATEWAY_PORT: String(gatewayPort),
    GITSPACES_DOCKER_NETWORK: `${project}-vms`,
    GITSPACES_DELETE_GRACE_MS: "0",
    ...more,
  };
  const [command, ...first] = composeCommand();
  const chosen = files.length === 0 ? [] : ["docker-compose.yml", ...files].flatMap((file) => ["--file", file]);
  const compose = async (...args: string[]): Promise<string> => {
    const surroundings = { ...process.env, ...env };
    const options = { cwd: clone.folder, env: surroundings, maxBuffer: 50_000_000 };
    const { stdout, stderr } = await run(command, [...first, ...chosen, ...args], options);
    return `${stdout}${stderr}`;
  };
  const inspect = async (service: string): Promise<Container> => {
    const mine = `label=com.docker.compose.project=${project}`;
    const ids = await docker(
      "ps",
      "--all",
      "--quiet",
      "--filter",
      mine,
      "--filter",
      `label=com.docker.compose.service=${service}`,
    );
    if (ids === "") throw new Error(`The service ${service} has no container.`);
    const [container] = JSON.parse(await docker("inspect", ...ids.split("\n").slice(0, 1))) as [Container];
    return container;
  };
  const healthy = async (...services: string[]): Promise<void> => {
    const until = performance.now() + HEALTHY_MS;
    for (const service of services) {
      for (;;) {
        const { State } = await inspect(service);
        if (State.Health?.Status === "healthy" && State.Status === "running") break;
        if (performance.now() > until) {
          const output = await compose("logs", "--no-color", "--tail=20", service);
          throw new Error(`${service} is ${State.Status}: ${State.Health?.Log.at(-1)?.Output ?? ""}\n${output}`);
        }
        await sleep(500);
      }
    }
  };
  return {
    env,
    controlPlanePort,
    gatewayPort,
    compose,
    inspect,
    healthy,
    api: async () => {
      const token = (await compose("exec", "-T", "control-plane", "cat", "/secrets/admin-token")).trim();
      return apiClient(`http://127.0.0.1:${controlPlanePort}`, token);
    },
    [Symbol.asyncDispose]: async () => {
      const installation = await installationOf(compose);
      await compose("down", "--volumes", "--timeout", "10").catch(() => undefined);
      if (installation !== undefined) await removeVms(installation);
      await compose("down", "--volumes", "--timeout", "10");
    },
  };
}

async function installationOf(compose: Composition["compose"]): Promise<string | undefined> {
  const said = await compose("logs", "--no-color", "setup", "vm1-setup").catch(() => "");
  return /The installation (\S+) is prepared/.exec(said)?.[1];
}

/** VMs, their volumes and what the provider made for them. */
async function removeVms(installation: string): Promise<void> {
  const mine = `label=gs-installation=${installation}`;
  const removed: [string[], string[]][] = [
    [
      ["ps", "--all", "--quiet", "--filter", mine],
      ["rm", "--force", "--volumes"],
    ],
    [
      ["volume", "ls", "--quiet", "--filter", mine],
      ["volume", "rm", "--force"],
    ],
  ];
  for (const [list, remove] of removed) {
    const found = await docker(...list);
    if (found !== "") await docker(...remove, ...found.split("\n"));
  }
}
