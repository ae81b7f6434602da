// The last output of a VM that did not come up, for the log. Whoever removes the VM waits for it, but never for long.
import type { InstanceId } from "@gitspaces/contracts";
import type { Provider } from "@gitspaces/providers";

const WORTH_MS = 5_000;
const MOST_CHARACTERS = 2_000;

/** The end of what the VM said; nothing when the provider does not tell within `worthMs` milliseconds. */
export async function lastWords(
  provider: Pick<Provider, "diagnose">,
  id: InstanceId,
  signal: AbortSignal,
  worthMs = WORTH_MS,
): Promise<string> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(worthMs)]);
  const output = await provider.diagnose(id, { key: `diagnose/${id}`, signal: within }).catch(() => "");
  return output.slice(-MOST_CHARACTERS);
}
