// The end of a task: its one answer is stored with all that follows from it. What comes later is stored and changes nothing.
import { type Answer, failedAnswer, failure, resultSchema, type TaskResult } from "@gitspaces/contracts";
import type { Store } from "../store/store.ts";
import type { TaskRow } from "../store/tasks.ts";
import { apply, type Collaborators, writeEvent } from "./act.ts";

/** Inside the caller's step. Gives whether this was the first answer, a repeat of it, or a late one. */
export function settle(with_: Collaborators, id: string, answer: Answer, from: string): "first" | "repeat" | "late" {
  const { store, clock } = with_;
  const task = store.tasks.get({ id });
  if (task === undefined) return "late";
  const read = readable(task, answer);
  const text = JSON.stringify(read);
  const at = clock.now();
  if (task.state === "answered") {
    if (task.answer === text || store.tasks.lateAnswers({ task: id }).some((late) => late.answer === text))
      return "repeat";
    store.tasks.lateAnswer({ task: id, at, delegate: from, answer: text });
    return "late";
  }
  store.tasks.answer({ id, answer: text, outcome: read.outcome, at, cancelled: 0 });
  store.bells.touch("answers");
  store.bells.touch("tasks"); // its holder has room for another
  if (read.outcome === "ok") noteConnected(with_, task);
  if (read.outcome === "ok") writeFacts(store, task, read.result, at);
  follow(with_, task, read);
  return "first";
}

/** Answers a task whose time is over, inside the caller's step. */
export function settleTimeout(with_: Collaborators, task: TaskRow, whyUntaken: () => string): void {
  const nobody = () => `No delegate took the task in time, because ${whyUntaken()}`;
  const took = task.state === "offered" ? nobody() : "The task was not done in time.";
  settle(with_, task.id, failedAnswer(task, failure("timeout", `${task.type}: ${took}`)), "control-plane");
}

/** The first word from the agent about a task, spoken `at`, inside the caller's step. */
export function noteConnected({ store, clock }: Collaborators, task: TaskRow, at = clock.now()): void {
  if (task.connected === 1 || !task.type.startsWith("gitspace.")) return;
  const { id, gitspace, instance } = task;
  store.tasks.connected({ id });
  if (task.type !== "gitspace.start" || store.gitspaces.get({ id: gitspace })?.task !== id) return;
  const connected = { kind: "agent_connect_completed", message: "The agent has the task" } as const;
  // Not later than what the agent then did, and not before it could have the task, whatever its clock says.
  const between = Math.min(clock.now(), Math.max(Math.round(at), task.acquired ?? task.created));
  writeEvent(store, { gitspace, instance, task: id, at: between }, connected);
}

/** An answer that says `ok` with a result nobody can read is a failure. */
function readable(task: TaskRow, answer: Answer): Answer {
  if (answer.outcome === "failed") return answer;
  const result = resultSchema(task.type).safeParse(answer.result);
  if (result.success) return answer;
  return failedAnswer(
    task,
    failure("internal", `The answer to ${task.type} has a result that cannot be read.`),
    answer.timings,
  );
}

function writeFacts(store: Store, task: TaskRow, result: Record<string, unknown>, at: number): void {
  const id = task.instance;
  const setPorts = (ports: number[]) =>
    store.gitspaces.setPorts({ id: task.gitspace, ports: JSON.stringify(ports), at });
  switch (task.type) {
    case "vm.provision": {
      const { vm, agentKey, warm } = result as TaskResult<"vm.provision">;
      store.instances.setVm({ id, vm: vm.instanceId, agentKey: JSON.stringify(agentKey), warm: Number(warm) });
      return;
    }
    case "gitspace.start": {
      const { user, folder, ports } = result as TaskResult<"gitspace.start">;
      store.instances.setUser({ id, user, folder });
      setPorts(ports);
      return;
    }
    case "gitspace.stop": {
      const { hasGitChanges } = result as TaskResult<"gitspace.stop">;
      store.instances.setGitChanges({ id, changes: Number(hasGitChanges) });
      return;
    }
    case "gitspace.status": {
      const { hasGitChanges, ports } = result as TaskResult<"gitspace.status">;
      store.instances.setGitChanges({ id, changes: Number(hasGitChanges) });
      setPorts(ports);
      return;
    }
    default:
  }
}

function follow(with_: Collaborators, task: TaskRow, answer: Answer): void {
  const gitspace = with_.store.gitspaces.get({ id: task.gitspace });
  if (gitspace === undefined) return;
  if (gitspace.task === task.id) {
    if (answer.outcome === "ok") apply(with_, task.gitspace, { on: "ok" });
    else {
      const { failure } = answer;
      apply(with_, task.gitspace, {
        on: "failed",
        failure,
        acquired: task.acquired !== null,
        connected: task.connected === 1,
      });
    }
    return;
  }
  if (task.type === "vm.status" && answer.outcome === "ok" && task.generation === gitspace.generation) {
    const { vm } = answer.result as TaskResult<"vm.status">;
    if (vm?.power === "running" || vm?.power === "resuming") return;
    // A reset has two VMs in one generation: what was seen before the second was asked for is about the first.
    if (with_.store.tasks.provisionedSince({ id: task.id, gitspace: gitspace.id }) !== undefined) return;
    const message = vm === null ? "The VM is gone; the home disk is kept" : `The VM is ${vm.power}`;
    apply(with_, task.gitspace, { on: "report", state: "stopped", message, vm: vm !== null && vm.power !== "gone" });
  }
}
