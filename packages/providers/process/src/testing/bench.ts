// A place to try the process provider in: a data folder of its own, a network of its own, and a stand-in for the agent.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import type { Provider, ProviderVm } from "../../../src/provider.ts";
import type { ProviderUnderTest } from "../../../src/testing/conformance.ts";
import { type ProcessProviderOptions, pickNetwork, powerOff, processProvider, removeNetwork } from "../index.ts";

export const standInAgent = fileURLToPath(new URL("stand-in-agent.mjs", import.meta.url));

export type Bench = ProviderUnderTest & { options: ProcessProviderOptions; ask: typeof ask };

export async function openBench(isolation: "namespace" | "none", hostPorts: readonly number[] = []): Promise<Bench> {
  const dataFolder = await mkdtemp(join(tmpdir(), "gitspaces-provider-"));
  const { network, enrolAddress } = await pickNetwork(dataFolder);
  await mkdir(join(dataFolder, "images", "default"), { recursive: true });
  const options: ProcessProviderOptions = {
    dataFolder,
    imagesFolder: join(dataFolder, "images"),
    installation: "test",
    isolation,
    network,
    enrolAddress,
    hostPorts,
    agentEntry: standInAgent,
    log: { info: () => {}, warn: () => {} },
  };
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rm(dataFolder, { recursive: true, force: true }));
  if (isolation === "namespace") opened.defer(() => removeNetwork(network));
  opened.defer(() => powerOff(dataFolder, { graceMs: 0 }));
  const open = async (): Promise<Provider> => opened.use(await processProvider(options));
  const provider = await open();
  const kept = opened.move();
  return {
    options,
    provider,
    ask,
    reopen: async () => kept.use(await processProvider(options)),
    writeHome: async (vm, path, text) => void (await ask(vm, "write", { path, text })),
    readHome: async (vm, path) => ((await ask(vm, "read", { path })) as string | null) ?? undefined,
    reach: async (vm) => void (await ask(vm, "hello")),
    close: () => kept.disposeAsync(),
  };
}

/** Has the stand-in inside a VM do something. Waits up to 4 s for it to listen. */
export async function ask(vm: ProviderVm, deed: string, given: object = {}): Promise<unknown> {
  const deadline = performance.now() + 4_000;
  for (;;) {
    try {
      const answer = await fetch(`http://${vm.address}:${vm.port}/${deed}`, {
        method: "POST",
        body: JSON.stringify(given),
        headers: { connection: "close" },
        signal: AbortSignal.timeout(25_000),
      });
      if (!answer.ok)
        throw new Error(`${deed} answered ${answer.status}: ${await answer.text()}`, { cause: "answered" });
      return await answer.json();
    } catch (error) {
      if (performance.now() > deadline || (error instanceof Error && error.cause === "answered")) throw error;
      await sleep(20);
    }
  }
}
