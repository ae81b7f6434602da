// Writes what the cloud's metadata service holds for the agent (instance attribute `gitspaces-agent`) to a file for root alone.
import { open, rename } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const file = process.argv[2];
const host = process.env.GCE_METADATA_HOST ?? "169.254.169.254";
const url = `http://${host}/computeMetadata/v1/instance/attributes/gitspaces-agent`;
const patienceMs = 90_000;

/** The attribute's text, or nothing when asking again may help. */
async function ask() {
  const answer = await fetch(url, { headers: { "metadata-flavor": "Google" }, signal: AbortSignal.timeout(5_000) });
  const text = await answer.text();
  if (answer.status === 404)
    throw new Error("This instance has no attribute gitspaces-agent: its runner did not make it.");
  return answer.ok ? text : undefined;
}

async function keepAsking() {
  const end = performance.now() + patienceMs;
  for (;;) {
    const text = await ask().catch((error) => {
      if (error.message.startsWith("This instance") || performance.now() > end) throw error;
    });
    if (text !== undefined) return text;
    if (performance.now() > end) throw new Error(`The metadata service at ${host} gave no answer.`);
    await sleep(1_000);
  }
}

const text = await keepAsking();
JSON.parse(text);
const beside = await open(`${file}.new`, "w", 0o600);
await beside.writeFile(text);
await beside.sync();
await beside.close();
await rename(`${file}.new`, file);
