// From a status request to the agent that has the task: control plane, delegate, gateway, agent, each a process of its own.
import type { TaskView } from "@gitspaces/contracts";
import { commitFiles, startGitServer } from "../e2e/git-server.ts";
import { median, monotonicMs, percentile, rounded } from "./figures.ts";
import { openInstallation } from "./installation.ts";

/** Milliseconds from sending `POST /gitspaces/{id}/status` until the agent has the task. */
export async function dispatch(runs: number): Promise<Record<string, number>> {
  await using git = await startGitServer();
  await using installation = await openInstallation({ warm: 1, vmHostPorts: [git.port] });
  const { api, system } = installation;
  const path = commitFiles(git.root, "dispatch", { "README.md": "# Dispatch\n" });
  const { identifier } = await api.create(`http://${system.up.host_address}:${git.port}${path}`);
  const tookMs: number[] = [];
  for (let run = 0; run < runs; run++) tookMs.push(await once(identifier));
  return { median_ms: rounded(median(tookMs)), p99_ms: rounded(percentile(tookMs, 0.99)), runs };

  async function once(id: string): Promise<number> {
    const sentAt = monotonicMs();
    const { task_id } = await api.call<{ task_id: string }>("POST", `gitspaces/${id}/status`);
    const task = await api.call<TaskView>("GET", `gitspaces/${id}/tasks/${task_id}?wait_ms=10000`);
    const receivedAt = task.timings?.["receivedAt"];
    if (task.outcome !== "ok" || receivedAt === undefined)
      throw new Error(`a status task failed: ${JSON.stringify(task)}`);
    return receivedAt - sentAt;
  }
}
