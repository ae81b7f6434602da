// How far a start is, as a gateway shows it to those who wait: the timeline from the start's beginning, and the state.
import { GitspaceId, parse, type ProgressMessage } from "@gitspaces/contracts";
import { shownState } from "../lifecycle/situation.ts";
import type { Send } from "../sse.ts";
import type { Store } from "../store/store.ts";

type State = Extract<ProgressMessage, { event: "state" }>["data"];

/** A writer for a stream about one Gitspace; it ends with the Gitspace. @throws {FailureError} `bad_request` for what is no id. */
export function progressOf(store: Store, given: string): (send: Send) => "end" | undefined {
  const gitspace = parse(GitspaceId, given, "Gitspace");
  let after = 0;
  let told = "";
  return (send) => {
    const row = store.gitspaces.get({ id: gitspace });
    if (row === undefined || row.deleted !== null) return "end";
    for (const { id, kind, message, at } of store.events.ofStartAfter({ gitspace, after })) {
      send("timeline", { id, kind, message, at }, id);
      after = id;
    }
    const instance = row.instance === null ? undefined : store.instances.get({ id: row.instance });
    const state = shownState(instance?.state ?? null);
    const message = instance?.error_message ?? null;
    const failure =
      state === "error" && message !== null ? { code: instance?.error_code ?? "internal", message } : null;
    const data: State = { state, generation: row.generation, failure };
    if (JSON.stringify(data) !== told) send("state", data);
    told = JSON.stringify(data);
    return undefined;
  };
}
