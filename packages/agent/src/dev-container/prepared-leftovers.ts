// What the preparation of a repository leaves in the engine beside its image: containers, volumes and networks, removed.
import { failpoint } from "@gitspaces/daemon";
import { projectOf } from "./bringing-up.ts";
import type { Engine } from "./engine.ts";
import { containersBeside } from "./existing-containers.ts";

/** Removes the containers of a workspace with the volumes that they use, and its Compose project. @throws {FailureError} `internal` */
export async function removeLeftovers(engine: Engine, workspace: string, signal: AbortSignal): Promise<void> {
  const project = projectOf(workspace);
  const ids = await containersBeside(engine, workspace, project, signal);
  const used = ids.length === 0 ? [] : await volumesOf(engine, ids, signal);
  if (ids.length > 0) await engine.docker(["rm", "--force", "--volumes", ...ids], { signal });
  const ofProject = async (kind: string) =>
    lines(await engine.ask([kind, "ls", "--quiet", "--filter", `label=com.docker.compose.project=${project}`], signal));
  for (const volume of new Set([...used, ...(await ofProject("volume"))]))
    await engine.docker(["volume", "rm", "--force", volume], { signal });
  for (const network of await ofProject("network")) await engine.docker(["network", "rm", network], { signal });
  failpoint("agent.afterPreparedAway");
}

/** The names of the volumes that containers mount. @throws {FailureError} `internal` */
export async function volumesOf(engine: Engine, ids: readonly string[], signal: AbortSignal): Promise<string[]> {
  const format = `{{range .Mounts}}{{if eq .Type "volume"}}{{println .Name}}{{end}}{{end}}`;
  return lines(await engine.ask(["inspect", "--format", format, ...ids], signal));
}

function lines(text: string): string[] {
  return text.split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.trim()]));
}
