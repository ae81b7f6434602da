// A dev container whose hooks of creation have run, as an image that a later one begins with.
import { fail } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import type { Configuration } from "./configuration.ts";
import type { Engine } from "./engine.ts";

const STOP_S = 10;
const METADATA = "devcontainer.metadata";

/**
 * Commits a container. Its user is again that of the image it came from, and of its metadata the devcontainer.json's own part goes,
 * since both are given anew. Its command stays: nobody runs it. @throws {FailureError} `internal`
 */
export async function commitContainer(
  engine: Engine,
  { id, configuration, name }: { id: string; configuration: Configuration; name: string },
  signal: AbortSignal,
): Promise<void> {
  const format = `{{.Image}}\t{{index .Config.Labels "${METADATA}"}}`;
  const [image = "", metadata = ""] = (await engine.ask(["inspect", "--format", format, id], signal))
    .trim()
    .split("\t");
  const user = (await engine.ask(["image", "inspect", "--format", "{{.Config.User}}", image], signal)).trim();
  const changes = [
    `USER ${user === "" ? "root" : user}`,
    `LABEL ${METADATA}=${quoted(withoutOwn(metadata, configuration))}`,
  ];
  // One that runs would be frozen meanwhile, and what is frozen when the engine ends cannot be killed by anyone.
  await engine.docker(["stop", "--time", String(STOP_S), id], { signal });
  const { code, output } = await engine.docker(
    ["commit", ...changes.flatMap((change) => ["--change", change]), id, name],
    { signal },
  );
  failpoint("agent.afterPreparedImage");
  if (code !== 0) throw fail("internal", `The prepared container could not be kept: ${output.slice(-2).join(" | ")}`);
}

/** The metadata of a container without the last entry, where that is the devcontainer.json's. Pure. */
export function withoutOwn(metadata: string, configuration: Configuration): string {
  const entries = [JSON.parse(metadata === "" ? "[]" : metadata) as unknown].flat() as Record<string, unknown>[];
  const keys = Object.keys(entries.at(-1) ?? {});
  // The VM's own mounts are written into every configuration, also where they are none.
  const isOwn = !keys.includes("id") && keys.every((key) => key === "mounts" || key in configuration);
  return JSON.stringify(isOwn ? entries.slice(0, -1) : entries);
}

/** As a Dockerfile takes it: in double quotes, with nothing that stands for a variable. */
function quoted(text: string): string {
  return `"${text.replaceAll(/[\\"$]/g, (each) => `\\${each}`)}"`;
}
