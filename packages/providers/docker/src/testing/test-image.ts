// A small image that stands in for the VM's: a process that reaps, and in it an agent that does what it is told.
import { readFileSync } from "node:fs";
import { archiveOf } from "../archive.ts";
import type { Engine } from "../engine.ts";

export const TEST_IMAGE = "gitspaces-provider-test/vm:latest";

const agent = readFileSync(new URL("../../../process/src/testing/stand-in-agent.mjs", import.meta.url), "utf8");
const dockerfile = `FROM node:24-bookworm-slim
ENV GITSPACES_LISTEN=0.0.0.0:8083 GITSPACES_HOME=/home-disk GITSPACES_METADATA_FILE=/etc/gitspaces/metadata.json
COPY agent.mjs /agent.mjs
STOPSIGNAL SIGKILL
ENTRYPOINT ["node", "/agent.mjs"]
`;

/** Builds it; from the second time on the engine has it already. @throws when the engine has no base image. */
export async function buildTestImage(engine: Engine, signal: AbortSignal): Promise<void> {
  const archive = archiveOf([
    { path: "Dockerfile", mode: 0o644, text: dockerfile },
    { path: "agent.mjs", mode: 0o644, text: agent },
  ]);
  const query = { t: TEST_IMAGE, pull: false };
  const said = (await engine.bytes("POST", "/build", { query, archive, signal })).toString("utf8");
  if (!said.includes("Successfully built")) {
    throw new Error(
      `The test image could not be built. Does the engine have node:24-bookworm-slim? ${said.slice(-500)}`,
    );
  }
}
