// The Gitspaces of the stand-in: each action plays a script of steps, and whoever listens hears every step.
import {
  type CreateGitspace,
  fail,
  type Gitspace,
  type GitspaceEvent,
  type LogLine,
  makeGitspaceId,
  slugify,
} from "@gitspaces/contracts";
import { scripts, type Step } from "./scripts.ts";

export type Played = { gitspace: Gitspace; events: GitspaceEvent[]; logs: LogLine[] };
export type Announcement = { id: string; of: "events" | "logs"; event: string; data: unknown; sequence?: number };

/** Until when the stand-in keeps what is deleted, milliseconds since the epoch. */
export const KEPT_UNTIL = 1_900_000_000_000;

/** Plays scripts, `stepMs` from step to step, and tells `announce` what a stream would say. */
export function makePlayer(stepMs: number, announce: (announcement: Announcement) => void) {
  const all = new Map<string, Played>();
  const timers = new Set<NodeJS.Timeout>();
  let sequence = 0;

  function find(id: string): Played {
    const one = all.get(id);
    if (one === undefined) throw fail("not_found", `There is no Gitspace ${id}.`);
    return one;
  }
  function setState(one: Played, state: Gitspace["state"], error?: Step["fails"]): void {
    one.gitspace = { ...one.gitspace, state, instance: instance(state, error) };
    announce({ id: one.gitspace.identifier, of: "events", event: "state", data: one.gitspace });
  }
  function take(one: Played, step: Step): void {
    const id = one.gitspace.identifier;
    if (step.log !== undefined) {
      const line = { pos: one.logs.length + 1, out: step.log, time: Date.now(), task_id: null };
      one.logs.push(line);
      const { task_id: _task, ...data } = line;
      announce({ id, of: "logs", event: "log_line_appended", data, sequence: line.pos });
    }
    const event = step.event === undefined ? undefined : makeEvent(id, step.event, step.message ?? "");
    if (event !== undefined) one.events.push(event);
    // The state goes first: clients must not lose the event behind it.
    if (step.state !== undefined) setState(one, step.state, step.fails);
    if (event !== undefined) announce({ id, of: "events", event: "timeline", data: event, sequence: event.id });
    if (step.removes !== true) return;
    all.delete(id);
    announce({ id, of: "events", event: "deleted", data: { identifier: id } });
  }
  function makeEvent(id: string, event: string, message: string): GitspaceEvent {
    sequence += 1;
    const nothing = { instance_identifier: null, task_id: null, fields: null };
    return { ...nothing, id: sequence, event, gitspace_identifier: id, message, timestamp: Date.now() };
  }
  function play(one: Played, [step, ...rest]: readonly Step[]): void {
    if (step === undefined) return;
    take(one, step);
    const timer = setTimeout(
      () => {
        timers.delete(timer);
        play(one, rest);
      },
      stepMs * (step.weight ?? 1),
    );
    timers.add(timer);
  }

  return {
    all: () => [...all.values()],
    find,
    /** A step out of the order of any script. */
    take: (id: string, step: Step): void => take(find(id), step),
    /** `missing` in the repository's address makes a start fail; `holding` makes it last for ever, `kept` a delete that can be taken back. */
    act: (id: string, action: string): Gitspace => {
      const one = find(id);
      if (action === "stop" && one.gitspace.state !== "running") throw fail("conflict", `${id} is not running.`);
      const { state, code_repo_url: url } = one.gitspace;
      one.gitspace = { ...one.gitspace, generation: one.gitspace.generation + 1 };
      if (action === "undelete") {
        if (state !== "deleted") throw fail("conflict", "The Gitspace is not deleted.");
        one.gitspace = { ...one.gitspace, undelete_until: null };
        setState(one, "stopped");
        return one.gitspace;
      }
      const isKept = action === "delete" && /kept/.test(url);
      if (isKept) one.gitspace = { ...one.gitspace, undelete_until: KEPT_UNTIL };
      setState(one, action === "start" ? "starting" : "stopping");
      if (action === "stop") play(one, scripts.stop);
      else if (action === "cancel") play(one, scripts.cancel);
      else if (action === "reset") play(one, state === "running" ? scripts.resetUp : scripts.resetDown);
      else if (isKept) play(one, scripts.removeForNow);
      else if (action === "delete") play(one, scripts.remove);
      else if (/missing/.test(url)) play(one, scripts.failingStart);
      else if (!/holding/.test(url)) play(one, scripts.start);
      return one.gitspace;
    },
    create: (asked: CreateGitspace): Gitspace => {
      const gitspace = makeGitspace(asked);
      all.set(gitspace.identifier, { gitspace, events: [], logs: [] });
      return gitspace;
    },
    stop: (): void => timers.forEach((timer) => clearTimeout(timer)),
  };
}

function makeGitspace({ name, code_repo_url, branch, resource_identifier }: CreateGitspace): Gitspace {
  const called =
    name ??
    slugify(
      code_repo_url
        .split("/")
        .at(-1)
        ?.replace(/\.git$/, "") ?? "",
    );
  const identifier = makeGitspaceId(called, (size) => crypto.getRandomValues(new Uint8Array(size)));
  return {
    identifier,
    name: called,
    state: "uninitialized",
    ide: "vs_code_web",
    code_repo_url,
    branch: branch ?? null,
    devcontainer_path: null,
    resource_identifier: resource_identifier ?? "default",
    user_id: "ada",
    user_display_name: "Ada Lovelace",
    generation: 0,
    created: Date.now(),
    updated: Date.now(),
    url: `http://${identifier}.gitspaces.localhost:7401`,
    instance: null,
    undelete_until: null,
    auto_stop_minutes: null,
  };
}

function instance(state: string, error: Step["fails"]): Gitspace["instance"] {
  const now = Date.now();
  return {
    identifier: "instance-1",
    state,
    url: null,
    error_message: error?.message ?? null,
    error_code: error?.code ?? null,
    last_used: now,
    active_time_started: now,
    active_time_ended: null,
    total_time_used: 0,
    has_git_changes: null,
    machine_user: null,
    warm: true,
    created: now,
    updated: now,
  };
}
