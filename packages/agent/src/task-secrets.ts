// The secrets of a start, sealed to this agent alone.
import type { Secrets } from "@gitspaces/contracts";
import type { House, TaskOf } from "./house.ts";

/** Sealed secrets, opened. @throws {FailureError} `denied` when they were sealed for another task or agent. */
export async function openTaskSecrets(
  { identities }: Pick<House, "identities">,
  task: TaskOf<"gitspace.start">,
): Promise<Secrets> {
  if (task.data.secrets === null) return { git: [] };
  const { openSecrets } = await import("@gitspaces/contracts/sealing");
  const addressee = { taskId: task.id, generation: task.generation };
  return await openSecrets(task.data.secrets, await identities.openingKey(), addressee);
}
