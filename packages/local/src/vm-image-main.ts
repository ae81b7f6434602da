// Builds by hand what VMs are made of. node packages/local/src/vm-image-main.ts builds the images and prints their names;
// with `--tree FILE` it writes what provision.sh unpacks on a VM that is no container.
import { parseArgs } from "node:util";
import { toFailure } from "@gitspaces/contracts";
import { findEngine } from "./docker-engine.ts";
import { reporter } from "./report.ts";
import { ensureVmImage, writeVmTree } from "./vm-image.ts";

const tell = reporter({
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  isTerminal: process.stderr.isTTY,
  json: false,
});
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort(signal));

try {
  const { tree } = parseArgs({ options: { tree: { type: "string" } } }).values;
  const wanted = {
    env: process.env,
    onProgress: ({ phase, share }: { phase: string; share: number }) =>
      tell({ news: "progress", what: `Building what VMs are made of: ${phase}`, fraction: share }),
    signal: stop.signal,
  };
  if (tree === undefined) {
    await findEngine(process.env);
    const images = await ensureVmImage(wanted);
    console.log(`${images.vm}\n${images.devContainer}`);
  } else {
    await writeVmTree(tree, wanted);
  }
} catch (error) {
  tell({ news: "failure", failure: toFailure(error) });
  process.exitCode = 1;
}
