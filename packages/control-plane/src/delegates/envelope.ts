// A task as it leaves: secrets sealed to the one agent that may read them, and signed when it is for an agent.
import { type GitspaceTask, SealingKey, type Secrets, type Task } from "@gitspaces/contracts";
import { sealSecrets } from "@gitspaces/contracts/sealing";
import { signTask, type Unsigned } from "@gitspaces/contracts/signing";
import type { SigningKey } from "../keys.ts";
import type { Store } from "../store/store.ts";
import type { TaskRow } from "../store/tasks.ts";
import type { Vault } from "../vault.ts";

type With = { store: Store; vault: Vault; signing: SigningKey };

/** The envelope of a task, JSON. Made once: a task that is acquired again is the same to the byte. */
export async function envelope(with_: With, task: TaskRow): Promise<string> {
  if (task.envelope !== null) return task.envelope;
  const { id, type, gitspace: gitspaceId, generation, deadline } = task;
  const data = JSON.parse(task.data) as Record<string, unknown>;
  if (type === "gitspace.start") data["secrets"] = await sealed(with_, task);
  const plain = { v: 1, id, type, gitspaceId, generation, deadline, data } as Unsigned<Task>;
  if (!plain.type.startsWith("gitspace.")) return JSON.stringify(plain);
  return JSON.stringify(await signTask(plain as Unsigned<GitspaceTask>, with_.signing.key, with_.signing.kid));
}

async function sealed({ store, vault }: With, task: TaskRow): Promise<unknown> {
  const gitspace = store.gitspaces.get({ id: task.gitspace });
  const instance = task.instance === null ? undefined : store.instances.get({ id: task.instance });
  if (gitspace?.secret == null || instance?.agent_key == null) return null;
  const host = new URL(gitspace.repository).host;
  const password = vault.open(gitspace.secret, gitspace.id);
  const secrets: Secrets = { git: [{ host, username: gitspace.secret_user ?? "oauth2", password }] };
  const agentKey = SealingKey.parse(JSON.parse(instance.agent_key));
  return await sealSecrets(secrets, agentKey, { taskId: task.id, generation: task.generation });
}
