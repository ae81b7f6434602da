// A VM's processes: found by what they carry with them, whoever started them, and ended.
import { addressesOf } from "./address-plan.ts";
import { endProcesses, parentOf, processesInNamespace, processesWithEnvironment } from "./processes.ts";
import { type VmRecord, vmFolder } from "./record.ts";

/** Carried by the programs around a sandbox from their first moment on, and taken away from what runs inside. */
export const folderVariable = "GITSPACES_VM_FOLDER";

/** Every living process of a VM, also one that was started a moment ago and is on its way into the VM's namespaces. */
export function vmProcesses(dataFolder: string, { id, network, slot }: VmRecord): number[] {
  const { root, state, home } = vmFolder(dataFolder, id);
  if (network === null) {
    // The agent has both; what it starts for a person has at least the home.
    return processesWithEnvironment([`GITSPACES_STATE_FOLDER=${state}`, `HOME=${home}`]);
  }
  const around = processesWithEnvironment([`${folderVariable}=${root}`]);
  return [...new Set([...around, ...processesInNamespace(addressesOf(network, slot).name)])];
}

/** Ends them. The agent has `graceMs` to leave by itself. */
export async function endVmProcesses(dataFolder: string, record: VmRecord, graceMs: number): Promise<void> {
  const first = record.process?.pid;
  // Around a sandbox two processes only wait. The one below them keeps the agent running: it passes the word on, and its
  // leaving ends the rest.
  const isInit = (pid: number) =>
    record.network === null ? pid === first : first !== undefined && parentOf(parentOf(pid) ?? 0) === first;
  await endProcesses(() => vmProcesses(dataFolder, record), isInit, graceMs);
}
