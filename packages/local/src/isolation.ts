// Walls between VMs where this machine can give them, and plain words where it cannot.
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  canIsolate,
  pickNetwork,
  powerOff,
  prepareNetwork,
  rememberedNetwork,
  removeNetwork,
} from "@gitspaces/providers/process";
import type { Isolation } from "./daemons.ts";
import type { News } from "./report.ts";

type Wanted = { dataFolder: string; hostPorts: number[]; tell: (news: News) => void };

/** Prepares the VM network, or warns that there is none; what was prepared is removed when disposed. */
export async function openIsolation({
  dataFolder,
  hostPorts,
  tell,
}: Wanted): Promise<{ choice: Isolation } & AsyncDisposable> {
  const possible = canIsolate();
  if (!possible.ok) {
    tell({ news: "warning", lines: unisolatedWarning(possible.why) });
    return { choice: { kind: "none", hostAddress: "127.0.0.1" }, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const { network, enrolAddress } = await pickNetwork(dataFolder);
  await prepareNetwork({ network, hostPorts });
  return {
    choice: { kind: "namespace", hostAddress: enrolAddress, network },
    [Symbol.asyncDispose]: () => removeNetwork(network),
  };
}

/** What running without isolation means, for the person who starts it. */
export function unisolatedWarning(why: string): string[] {
  return [
    "Gitspaces runs UNISOLATED on this machine.",
    `Why: ${why}.`,
    "A Gitspace's programs run as you: they can read your files and reach your local services, and each other.",
    "Open only repositories you trust. One user is served.",
    ...(process.getuid?.() === 0 ? [] : ["For isolation, run bin/up as root."]),
  ];
}

/** Turns every VM of a data folder off; their disks stay. */
export async function powerOffVms(dataFolder: string): Promise<void> {
  if (existsSync(join(dataFolder, "vms"))) await powerOff(dataFolder);
}

/** Removes the VM network that an earlier run of this data folder left, if this process may. */
export async function removeNetworkOf(dataFolder: string): Promise<void> {
  const network = await rememberedNetwork(dataFolder);
  if (network !== undefined && process.getuid?.() === 0) await removeNetwork(network);
}
