// The dev containers that an engine already has for a workspace, by our labels; and those of its Compose project.
import { fail } from "@gitspaces/contracts";
import type { Engine } from "./engine.ts";

export const WORKSPACE_LABEL = "gitspaces.workspace";
export const CONFIG_LABEL = "gitspaces.config";

const STOP_GRACE_S = "5";

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

/**
 * Whether what stopped containers mount of the VM's folders leads where it may. The engine follows the paths again at each start, and
 * whoever wrote into the workspace may have put a link in the place of a folder. Services that still run are ended first.
 * @throws {FailureError} `internal`
 */
export async function mountsStillFit(
  engine: Engine,
  ids: readonly string[],
  isAllowed: (source: string) => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const format = `{{range .Mounts}}{{if eq .Type "bind"}}{{println .Source}}{{end}}{{end}}`;
  await engine.docker(["stop", "--time", STOP_GRACE_S, ...ids], { signal });
  const text = await engine.ask(["inspect", "--format", format, ...ids], signal);
  return text.split("\n").every((source) => source === "" || isAllowed(source));
}

/** Every container of a workspace and of its Compose project. @throws {FailureError} `internal` */
export async function containersBeside(
  engine: Engine,
  workspace: string,
  project: string,
  signal: AbortSignal,
): Promise<string[]> {
  const filter = `label=com.docker.compose.project=${project}`;
  const text = await engine.ask(["ps", "--all", "--quiet", "--no-trunc", "--filter", filter], signal);
  const own = (await findContainers(engine, workspace, signal)).map(({ id }) => id);
  return [...new Set([...own, ...text.split("\n").filter((id) => id !== "")])];
}

/** Ends what runs of a workspace and of its Compose project; it stays to be started again, unless it cannot be ended so. @throws {FailureError} `internal` */
export async function stopBeside(
  engine: Engine,
  workspace: string,
  project: string,
  signal: AbortSignal,
): Promise<void> {
  const ids = await containersBeside(engine, workspace, project, signal);
  if (ids.length === 0) return;
  const { code } = await engine.docker(["stop", "--time", STOP_GRACE_S, ...ids], { signal });
  if (code !== 0) await removeContainers(engine, workspace, project, signal);
}

/**
 * Removes the dev containers of a workspace, whichever they are, and the services beside them. Volumes stay.
 * @throws {FailureError} `internal` when one cannot be removed: nothing new is made beside it.
 */
export async function removeContainers(
  engine: Engine,
  workspace: string,
  project: string,
  signal: AbortSignal,
): Promise<void> {
  const ids = await containersBeside(engine, workspace, project, signal);
  if (ids.length === 0) return;
  const { code, output } = await engine.docker(["rm", "--force", ...ids], { signal });
  if (code !== 0 && (await containersBeside(engine, workspace, project, signal)).length > 0)
    throw fail("internal", `An earlier container cannot be removed: ${output.slice(-2).join(" ")}`);
}
