// A Gitspace is started because somebody visits it: by the same action as the page's start, once, and never over a later stop.
import { type Failure, failure, type GatewayReport, type WakeAnswer } from "@gitspaces/contracts";
import { apply, type Collaborators, writeEvent } from "../lifecycle/act.ts";
import type { GitspaceRow } from "../store/gitspaces.ts";

type Wake = Extract<GatewayReport, { kind: "wake" }>;

const words = {
  page: "Started by a visit in the browser",
  client: "Started by a request of a program",
  ssh: "Started by an SSH connection",
} as const satisfies Record<Wake["by"], string>;

/** Starts it, inside the caller's step. A start that is under way, whoever asked for it, is as good as one of its own. */
export function takeWake(with_: Collaborators, { gitspaceId, user, generation, by }: Wake): WakeAnswer {
  const { store, clock } = with_;
  const at = clock.now();
  store.gateways.wake({ gitspace: gitspaceId, user, at });
  const before = store.gitspaces.get({ id: gitspaceId });
  if (before === undefined || before.deleted !== null || before.owner !== user)
    return denied(failure("denied", "Only its owner may start it."));
  const state = before.instance === null ? null : (store.instances.get({ id: before.instance })?.state ?? null);
  if (state === "starting" || state === "running") return accepted(before.generation);
  if (before.generation > generation)
    return denied(failure("conflict", "It was stopped after that was asked for; ask again to start it."));

  const decision = apply(with_, gitspaceId, { on: "start" }, user);
  if (decision.outcome === "refused") return denied(decision.failure);
  const { instance, task, generation: started } = store.gitspaces.get({ id: gitspaceId }) as GitspaceRow;
  writeEvent(
    store,
    { gitspace: gitspaceId, instance, task, at },
    { kind: "note", message: words[by], fields: { user } },
  );
  return accepted(started);

  function accepted(reached: number): WakeAnswer {
    return { outcome: "accepted", gitspaceId, generation: reached };
  }
  function denied(reason: Failure): WakeAnswer {
    return { outcome: "denied", gitspaceId, failure: reason };
  }
}
