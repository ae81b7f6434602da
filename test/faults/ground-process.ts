// VMs that are processes of this machine: their folders lie in the data folder, their slots are those of a network.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Ground, Machine } from "./ground.ts";
import { commandOf, parentOf, pidsNow } from "./process-table.ts";
import type { Scene } from "./scene.ts";

/** A namespace that goes away while it is listed is no trouble. */
const quiet = { encoding: "utf8" as const, stdio: ["ignore" as const, "pipe" as const, "ignore" as const] };

export const processGround: Ground = {
  kind: "process",
  vms: (data) =>
    folders(join(data, "vms"))
      .filter((id) => !id.startsWith("."))
      .map((id) => {
        const home = join(data, "vms", id, "home", "dev");
        return { id, state: join(data, "vms", id, "state"), home, workspaces: home };
      }),
  agentPids: (data) =>
    pidsNow().filter((pid) => {
      try {
        const command = commandOf(pid);
        if (!command[0]?.endsWith("node") || !command.some((word) => word.endsWith("agent/src/main.ts"))) return false;
        return isOf(pid, data);
      } catch {
        return false;
      }
    }),
  look: async (data) => machine(data),
};

/** Inside a sandbox paths are the same for every VM, so its first process outside, an ancestor, tells whose it is. */
function isOf(pid: number, data: string): boolean {
  for (let at = pid; at > 1; at = parentOf(at)) {
    const environment = readFileSync(`/proc/${at}/environ`, "latin1");
    if (environment.includes(`${data}/vms/`)) return true;
  }
  return false;
}

function machine(data: string): Machine {
  const vms = folders(join(data, "vms"))
    .filter((id) => id !== ".gone")
    .map((id) => readVm(join(data, "vms", id), id));
  const records = join(data, "homes", ".records");
  const recorded = (existsSync(records) ? readdirSync(records) : [])
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(join(records, name), "utf8")) as Scene["homes"][number])
    .map(({ id, attachedTo }) => ({ id, attachedTo }));
  const unrecorded = folders(join(data, "homes"))
    .filter((name) => !name.startsWith(".") && !recorded.some(({ id }) => id === name))
    .map((id) => ({ id, attachedTo: null }));
  const network = Number(
    (JSON.parse(readFileSync(join(data, "network.json"), "utf8")) as { network: string }).network.split(".")[1],
  );
  const slot = new RegExp(`\\bgsv${network}-(\\d+)`, "g"); // slot 0 is the host's own
  const slotsIn = (text: string) =>
    [...new Set([...text.matchAll(slot)].map(([, number]) => Number(number)))].filter((each) => each > 0);
  return {
    vms,
    homes: [...recorded, ...unrecorded],
    halfRemoved: [...folders(join(data, "vms", ".gone")), ...folders(join(data, "homes", ".removed"))],
    strays: [],
    namespaces: slotsIn(execFileSync("ip", ["netns", "list"], quiet)),
    interfaces: slotsIn(execFileSync("ip", ["-o", "link"], quiet)),
    processes: slotsOfProcesses(network),
  };
}

function readVm(folder: string, id: string): Scene["vms"][number] {
  try {
    const { labels, power, slot } = JSON.parse(readFileSync(join(folder, "record.json"), "utf8")) as {
      labels: Record<string, string>;
      power: string;
      slot: number;
    };
    return { id, gitspace: labels["gs-gitspace"] ?? null, power, slot };
  } catch {
    return { id, gitspace: null, power: "unreadable", slot: -1 };
  }
}

/** A VM's user is its own: user 200000 + network × 16384 + slot. */
function slotsOfProcesses(network: number): number[] {
  const first = 200_000 + network * 16_384;
  const found = new Set<number>();
  for (const pid of pidsNow()) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "latin1");
      const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]);
      if (uid >= first && uid < first + 16_384 && !/^State:\s+Z/m.test(status)) found.add(uid - first);
    } catch {
      // It ended meanwhile.
    }
  }
  return [...found];
}

function folders(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { withFileTypes: true }).flatMap((each) => (each.isDirectory() ? [each.name] : []));
}
