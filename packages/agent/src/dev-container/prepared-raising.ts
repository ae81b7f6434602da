// The dev container of a prepared repository: made, given the hooks that need no person, kept as an image, with nothing of a person in it.
import { fail } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import type { Work } from "../work.ts";
import { look, up } from "./bringing-up.ts";
import { CliListener } from "./cli-listener.ts";
import { devcontainer } from "./cli.ts";
import { giveTo } from "./ownership.ts";
import { commitContainer } from "./prepared-image.ts";
import { volumesOf } from "./prepared-leftovers.ts";
import type { PreparedRecord } from "./prepared-record.ts";
import { openSite, type Raising, readRepository } from "./raising.ts";

type Made = Pick<PreparedRecord, "image" | "fingerprint" | "inputs" | "built">;

/**
 * Prepares it; the container stays for the caller to remove. Of Compose, and where hooks would fill volumes, which no image holds,
 * only the images that are built on the way are of use: then no hook runs.
 * @throws {FailureError} `devcontainer_invalid` naming the hook or the build that failed, `bad_request` or `internal`
 */
export async function prepareContainer(
  work: Work,
  { keepContainer, ...raising }: Raising & { keepContainer: boolean },
): Promise<Made> {
  const { engine } = raising;
  const { signal } = work;
  using site = openSite(work, raising);
  const plan = await readRepository(site);
  const { fingerprint, inputs, configuration } = plan;
  // The home stays in the container, so that the image holds it; the engine fills an empty home volume from there.
  const { outcome, args, env } = await up({ ...site, raising: { ...raising, mounts: [] } }, plan, "/");
  const id = String(outcome["containerId"]);
  const from = (await engine.ask(["inspect", "--format", "{{.Config.Image}}", id], signal)).trim();
  const made = { fingerprint, inputs, built: from === configuration.image ? [] : [from] };
  if (plan.compose !== undefined)
    return { ...made, image: { none: "of a Compose configuration only images are prepared" } };
  if (!keepContainer) return { ...made, image: { none: "only its images are prepared" } };
  if ((await volumesOf(engine, [id], signal)).length > 0)
    return { ...made, image: { none: "it has volumes, which hooks fill anew" } };

  // An engine cannot take a command from an image again, and this one would be the reference implementation's.
  const { overrideCommand } = (outcome["mergedConfiguration"] ?? {}) as { overrideCommand?: unknown };
  if (overrideCommand === false) return { ...made, image: { none: "it runs its image's own command" } };

  const { user } = await look(site, outcome);
  await giveTo(site.workspace, user, signal);
  const listener = new CliListener(work);
  const ended = await devcontainer({
    args: ["run-user-commands", ...args, "--prebuild", "--skip-post-attach"],
    env,
    signal,
    onLine: listener.line,
  });
  failpoint("agent.afterPreparedHooks");
  if (ended.outcome === "error")
    throw fail("devcontainer_invalid", `${listener.doing} failed. It said last: ${listener.lastLines()}`);
  const name = `gitspaces/prepared:${fingerprint}`;
  await commitContainer(engine, { id, configuration, name }, signal);
  return { ...made, image: { name, home: user.home } };
}
