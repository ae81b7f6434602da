// A process that makes a VM, labels it, brings a disk into it and out and removes it again, and is killed at some point of that.
import type { VmRequest } from "../../../src/provider.ts";
import { type DockerProviderOptions, dockerProvider } from "../index.ts";

type Work = { options: DockerProviderOptions; wanted: VmRequest; disk: string };

process.once("message", (work: Work) => {
  void live(work);
});

async function live({ options, wanted, disk }: Work): Promise<void> {
  const call = { key: "victim", signal: AbortSignal.timeout(20_000) };
  const provider = await dockerProvider({ ...options, log: { info: () => {}, warn: () => {} } });
  const { id } = wanted;
  process.send?.("begun");
  const { version } = await provider.create(wanted, call);
  await provider.label(id, { "gs-gitspace": "hello-k3v9x2" }, version, call);
  await provider.createDisk(disk, {}, call);
  await provider.attachDisk(disk, id, call);
  await provider.detachDisk(disk, id, call);
  await provider.attachDisk(disk, id, call);
  await provider.stop(id, call);
  await provider.start(id, call);
  await provider.remove(id, call);
  await provider.removeDisk(disk, call);
  process.send?.("done");
}
