// The dev containers that an engine already has for a workspace, by our labels; and those of its Compose project.
import type { Engine } from "./engine.ts";

export const WORKSPACE_LABEL = "gitspaces.workspace";
export const CONFIG_LABEL = "gitspaces.config";

export type Existing = { id: string; state: string; fingerprint: string };

/** @throws {FailureError} `internal` */
export async function findContainers(engine: Engine, workspace: string, signal: AbortSignal): Promise<Existing[]> {
  const format = `{{.ID}}\t{{.State}}\t{{.Label "${CONFIG_LABEL}"}}`;
  const filter = `label=${WORKSPACE_LABEL}=${workspace}`;
  const text = await engine.ask(["ps", "--all", "--no-trunc", "--filter", filter, "--format", format], signal);
  return text.split("\n").flatMap((line) => {
    const [id = "", state = "", fingerprint = ""] = line.split("\t");
    return id === "" ? [] : [{ id, state, fingerprint }];
  });
}

/** Removes the dev containers of a workspace, whichever they are, and the services beside them. Volumes stay. */
export async function removeContainers(
  engine: Engine,
  workspace: string,
  project: string,
  signal: AbortSignal,
): Promise<void> {
  const filter = `label=com.docker.compose.project=${project}`;
  const text = await engine.ask(["ps", "--all", "--quiet", "--no-trunc", "--filter", filter], signal);
  const own = (await findContainers(engine, workspace, signal)).map(({ id }) => id);
  const ids = new Set([...own, ...text.split("\n").filter((id) => id !== "")]);
  if (ids.size > 0) await engine.docker(["rm", "--force", ...ids], { signal });
}
