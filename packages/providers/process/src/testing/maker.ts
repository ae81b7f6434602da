// A process that makes one VM and waits to be killed.
import type { VmRequest } from "../../../src/provider.ts";
import { type ProcessProviderOptions, processProvider } from "../index.ts";

process.once("message", (message: { options: ProcessProviderOptions; wanted: VmRequest }) => {
  void make(message.options, message.wanted);
});

async function make(options: ProcessProviderOptions, wanted: VmRequest): Promise<void> {
  const provider = await processProvider({ ...options, log: { info: () => {}, warn: () => {} } });
  process.send?.(await provider.create(wanted, { key: "made", signal: AbortSignal.timeout(20_000) }));
}
