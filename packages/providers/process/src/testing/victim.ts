// A process that makes a VM, brings a home into it and removes the VM again, and is killed at some point of that.
import { type ProcessProviderOptions, processProvider } from "../index.ts";
import type { VmRequest } from "../../../src/provider.ts";

type Work = { options: ProcessProviderOptions; wanted: VmRequest; disk: string };

process.once("message", (work: Work) => {
  void live(work);
});

async function live({ options, wanted, disk }: Work): Promise<void> {
  const call = { key: "victim", signal: AbortSignal.timeout(20_000) };
  const provider = await processProvider({ ...options, log: { info: () => {}, warn: () => {} } });
  process.send?.("begun");
  await provider.create(wanted, call);
  await provider.attachDisk(disk, wanted.id, call);
  await provider.detachDisk(disk, wanted.id, call);
  await provider.attachDisk(disk, wanted.id, call);
  await provider.remove(wanted.id, call);
  process.send?.("done");
}
