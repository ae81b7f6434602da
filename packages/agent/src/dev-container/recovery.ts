// Recovery: the default image in place of a configuration that cannot be used.
import { join } from "node:path";
import { fingerprint } from "./fingerprint.ts";
import type { Plan } from "./preparation.ts";

/** A container of the default image, of which nothing of the repository decides but its folder. */
export function recoveryPlan(workspace: string, defaultImage: string, because: string): Plan {
  return {
    configPath: join(workspace, ".devcontainer/devcontainer.json"),
    configuration: { image: defaultImage },
    compose: undefined,
    fingerprint: `recovery-${fingerprint([defaultImage, because], [])}`,
    inputs: {},
    copiesFiles: false,
    source: `the default image ${defaultImage}, for recovery`,
    dockerfileUser: undefined,
    notes: [],
    notApplied: [],
  };
}

/** What the person reads first. */
export function recoverySentence(because: string): string {
  return `The dev container could not be made as asked, so this is a recovery container: ${because} Its hooks were not run. Mend it, then stop and start the Gitspace.`;
}
