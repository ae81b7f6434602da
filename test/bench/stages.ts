// Where the time of a start went, as the Gitspace's own timeline tells it.
import type { GitspaceEvent } from "@gitspaces/contracts";

export type Stages = { accept: number; vm: number; connect: number; setup: number; answer: number; page: number };

/** Milliseconds per stage. What falls between two stages is in none of them. @throws Error when an event is missing. */
export function stagesOf(events: readonly GitspaceEvent[], sentAt: number, shownAt: number): Stages {
  const at = (kind: string): number => {
    const event = events.find((each) => each.event === kind);
    if (event === undefined) throw new Error(`the timeline has no ${kind}`);
    return event.timestamp;
  };
  return {
    accept: at("gitspace_action_start") - sentAt,
    vm: at("infra_provisioning_completed") - at("infra_provisioning_start"),
    connect: at("agent_gitspace_creation_start") - at("agent_connect_start"),
    setup: at("agent_gitspace_creation_completed") - at("agent_gitspace_creation_start"),
    answer: at("gitspace_action_start_completed") - at("agent_gitspace_creation_completed"),
    page: shownAt - at("gitspace_action_start_completed"),
  };
}
