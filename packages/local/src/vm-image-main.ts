// Builds the images of the docker provider by hand and prints their names: node packages/local/src/vm-image-main.ts
import { toFailure } from "@gitspaces/contracts";
import { ensureVmImage } from "./vm-image.ts";
import { reporter } from "./report.ts";

const tell = reporter({
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  isTerminal: process.stderr.isTTY,
  json: false,
});
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort(signal));

try {
  const images = await ensureVmImage({
    env: process.env,
    onProgress: ({ phase, share }) =>
      tell({ news: "progress", what: `Building the images of VMs: ${phase}`, fraction: share }),
    signal: stop.signal,
  });
  console.log(`${images.vm}\n${images.devContainer}`);
} catch (error) {
  tell({ news: "failure", failure: toFailure(error) });
  process.exitCode = 1;
}
