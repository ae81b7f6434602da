// VMs that are containers of a Docker engine on this machine: found by the engine's labels, entered through /proc.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { engineAt } from "../../packages/providers/docker/src/engine.ts";
import {
  diskView,
  isBeingRemoved,
  readBoxes,
  readRecords,
  vmView,
} from "../../packages/providers/docker/src/inventory.ts";
import { mark, namesOf } from "../../packages/providers/docker/src/names.ts";
import { docker, installationOf } from "../e2e/provider.ts";
import type { UpFile } from "../e2e/system.ts";
import type { Ground, Machine } from "./ground.ts";
import { commandOf, pidsNow } from "./process-table.ts";

const LOOK_MS = 20_000;

export const dockerGround: Ground = {
  kind: "docker",
  vms: (data) =>
    processesOf(data, (command) => command.includes("/opt/gitspaces/bin/init")).map(({ id, root }) => ({
      id,
      state: join(root, "var/lib/gitspaces/state"),
      home: join(root, "home-disk/volumes/gitspace-home/_data"),
      workspaces: join(root, "home-disk/workspaces"),
    })),
  agentPids: (data) =>
    processesOf(
      data,
      (command) => command[0]?.endsWith("node") === true && command.some((word) => word.endsWith("agent/src/main.ts")),
    ).map(({ pid }) => pid),
  look,
};

/** The name in the engine of a VM's container. */
export function containerOf(data: string, vm: string): string {
  return namesOf(installationOf(data)).vm(vm);
}

/** Processes in VMs of a data folder by their command, each with the root of its VM. One for each VM at the most. */
function processesOf(
  data: string,
  isWanted: (command: string[]) => boolean,
): { pid: number; id: string; root: string }[] {
  const upFile = join(data, "up.json");
  if (!existsSync(upFile)) return [];
  // What only VMs of this installation are told: where they enrol.
  const { host_address: host, ports } = JSON.parse(readFileSync(upFile, "utf8")) as UpFile;
  const place = `"https://${host}:${ports["enrolment"]}"`;
  const found = new Map<string, { pid: number; id: string; root: string }>();
  for (const pid of pidsNow()) {
    try {
      if (!isWanted(commandOf(pid))) continue;
      const root = `/proc/${pid}/root`;
      const metadata = readFileSync(join(root, "etc/gitspaces/metadata.json"), "utf8");
      if (!metadata.includes(place)) continue;
      const id = readFileSync(join(root, "etc/hostname"), "utf8").trim();
      if (!found.has(id)) found.set(id, { pid, id, root });
    } catch {
      // It ended meanwhile, or is no VM's.
    }
  }
  return [...found.values()];
}

async function look(data: string): Promise<Machine> {
  const names = namesOf(installationOf(data));
  const engine = engineAt((process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock").replace("unix://", ""));
  const signal = AbortSignal.timeout(LOOK_MS);
  const mine = `label=${mark.installation}=${names.installation}`;
  const boxes = await readBoxes(engine, names, signal);
  const [records, networks, containers] = await Promise.all([
    readRecords(engine, names, signal),
    docker("network", "ls", "--quiet", "--filter", mine),
    docker("ps", "--all", "--filter", mine, "--filter", `label=${mark.kind}=plug`, "--format", "{{.Names}}"),
  ]);
  const ids = new Set(boxes.map(({ id }) => id));
  const plugs = containers.split("\n").filter(Boolean);
  return {
    vms: boxes.map((box) => {
      const { id, power, labels } = vmView(box, records);
      return { id, gitspace: labels["gs-gitspace"] ?? null, power, slot: null };
    }),
    homes: [...records.disks.values()]
      .map((disk) => diskView(disk, records, boxes))
      .map(({ id, attachedTo }) => ({ id, attachedTo })),
    halfRemoved: [
      ...[...ids].filter((id) => records.gone.has(id)),
      ...[...records.disks.keys()].filter((id) => isBeingRemoved(records, id)),
    ],
    strays: [
      ...[...records.engines.keys()].filter((id) => !ids.has(id)).map((id) => `the engine's volume of ${id}`),
      ...[...records.histories.keys()].filter((key) => {
        const [kind, id = ""] = key.split("/");
        return kind === "vm" ? !ids.has(id) : !records.disks.has(id);
      }),
      ...plugs.slice(1),
      ...networks.split("\n").filter(Boolean).slice(1),
    ],
    namespaces: [],
    interfaces: [],
    processes: [],
  };
}
