// A start as a person follows it: few steps in plain words, made of the many events of the timeline. Pure.
import type { EventKind, ProgressEvent } from "@gitspaces/contracts";

export type Step = {
  title: string;
  state: "done" | "active" | "failed" | "ahead";
  /** What is being done in it, or what came of it. */
  detail: string;
  /** Milliseconds since the epoch. */
  since: number | undefined;
  until: number | undefined;
};

type Plan = { title: string; phases: readonly string[]; isOptional?: true };

const plans: readonly Plan[] = [
  { title: "Getting a machine", phases: ["gitspace_action", "infra_", "delegate_task", "agent_connect"] },
  { title: "Fetching your code", phases: ["agent_gitspace_creation", "agent_clone", "fetch_devcontainer"] },
  {
    title: "Preparing the environment",
    phases: ["agent_image", "agent_devcontainer", "agent_hooks"],
    isOptional: true,
  },
  { title: "Opening the editor", phases: ["agent_ide"] },
];

/** What goes on before and after a start, which is no step of it. */
const cleaning: readonly string[] = [
  "infra_stop",
  "infra_cleanup",
  "infra_deprovisioning",
  "gitspace_action_start_failed",
];

/** The steps of a start. One that the start turned out not to need is left out. `hasFailed`: it ended in the step it had reached. */
export function stepsOf(events: readonly ProgressEvent[], hasFailed: boolean): Step[] {
  const shown = events.filter(({ kind }) => !cleaning.some((each) => kind.startsWith(each)));
  const places = plans.map(({ phases }) => shown.filter(({ kind }) => phases.some((phase) => kind.startsWith(phase))));
  const reached = places.findLastIndex((place) => place.length > 0);
  return plans.flatMap((plan, index): Step[] => {
    const place = places[index] ?? [];
    const next = places.slice(index + 1).find((later) => later.length > 0);
    const last = place.at(-1);
    const state = index < reached ? "done" : index > reached ? "ahead" : hasFailed ? "failed" : "active";
    if (plan.isOptional === true && place.length === 0 && index < reached) return [];
    const step: Step = {
      title: plan.title,
      state,
      detail: detailOf(place, state),
      since: place[0]?.at,
      until: state === "done" ? (next?.[0]?.at ?? last?.at) : state === "failed" ? last?.at : undefined,
    };
    return [step];
  });
}

/** The last word of a step that goes on; the last result of one that is over. */
function detailOf(place: readonly ProgressEvent[], state: Step["state"]): string {
  if (state === "ahead") return "";
  const isResult = (kind: EventKind): boolean => kind.endsWith("_completed");
  const told = state === "done" ? (place.findLast(({ kind }) => isResult(kind)) ?? place.at(-1)) : place.at(-1);
  return told?.message ?? "";
}
