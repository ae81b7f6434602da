// Time as a trigger: deadlines, repeats that are due, holders that are gone, and a look at what should be running.
import type { Logger } from "@gitspaces/daemon";
import { v7 as uuidv7 } from "uuid";
import type { Offers } from "../delegates/offers.ts";
import type { Presence } from "../delegates/presence.ts";
import { apply, type Collaborators } from "./act.ts";
import { stopIdle } from "./auto-stop.ts";
import { settleTimeout } from "./settle.ts";

const LONGEST_PAUSE_MS = 60_000;
const KEEP_STATUS_MS = 3_600_000;
const PAUSE_AFTER_ERROR_MS = 1_000;
const DAY_MS = 86_400_000;
/** So long it can be seen what was done with a token or a link that has ended. */
const KEEP_USES_MS = 30 * DAY_MS;
const KEEP_ACTIVITY_MS = 7 * DAY_MS;

type Options = Collaborators & { presence: Presence; offers: Offers; log: Logger; lookEveryMs: number };

/** Starts sweeping; it ends when disposed. */
export function startSweeper({ presence, offers, log, lookEveryMs, ...with_ }: Options): AsyncDisposable {
  const { store, clock } = with_;
  const over = new AbortController();
  let nextLook = clock.now();

  async function loop(): Promise<void> {
    while (!over.signal.aborted) {
      const seen = store.bells.tasks.count;
      let pauseMs = 10;
      try {
        const now = clock.now();
        if (now >= nextLook) {
          nextLook = now + lookEveryMs;
          lookAtVms(with_);
          stopIdle(with_);
        }
        sweep(with_, presence, offers);
      } catch (err) {
        log.error({ err }, "sweeping failed");
        pauseMs = PAUSE_AFTER_ERROR_MS;
      }
      const waitMs = Math.max(pauseMs, Math.min(nextLook, nextDue(with_, presence)) - clock.now());
      await store.bells.tasks.next(seen, Math.min(waitMs, LONGEST_PAUSE_MS), over.signal);
    }
  }

  const ended = loop();
  return {
    async [Symbol.asyncDispose]() {
      over.abort();
      await ended;
    },
  };
}

/** Does everything that is due now, one step for each. */
export function sweep(with_: Collaborators, presence: Presence, offers: Pick<Offers, "whyUntaken">): void {
  const { store, clock } = with_;
  for (const task of store.tasks.overdue({ at: clock.now() }))
    store.step("Timeout", () => settleTimeout(with_, task, () => offers.whyUntaken()));
  for (const { id } of store.gitspaces.toRetry({ at: clock.now() }))
    store.step("Retry", () => apply(with_, id, { on: "retry" }));
  for (const task of store.tasks.acquired()) {
    if (task.holder === null || !presence.isLost(task.holder)) continue;
    store.step("OfferAgain", () => {
      store.tasks.offerAgain({ id: task.id, refused: task.refused });
      store.bells.touch("tasks");
    });
  }
}

function nextDue({ store }: Collaborators, presence: Presence): number {
  const dues = [store.tasks.nextDeadline()?.at, store.gitspaces.nextRetry()?.at];
  const lapses = store.tasks.acquired().map((task) => presence.lapse(task.holder ?? ""));
  return Math.min(...dues.filter((at) => typeof at === "number"), ...lapses, Number.MAX_SAFE_INTEGER);
}

/** Asks for every VM that should be there, so that nobody takes one for running, or waits for its agent, when it is gone. */
function lookAtVms({ store, clock, deadlines }: Collaborators): void {
  const at = clock.now();
  store.step("Look", () => {
    for (const { id } of store.gitspaces.withVm()) {
      const gitspace = store.gitspaces.get({ id });
      if (gitspace === undefined) continue;
      const { instance, generation } = gitspace;
      const deadline = at + deadlines.statusMs;
      store.tasks.add({
        id: uuidv7(),
        type: "vm.status",
        gitspace: id,
        instance,
        generation,
        data: "{}",
        deadline,
        at,
      });
      store.bells.touch("tasks");
    }
    store.sessions.removeExpired({ at });
    store.links.removeExpired({ at });
    store.visits.removeBefore({ at: at - DAY_MS });
    store.access.removeRevocationsBefore({ at: at - DAY_MS });
    store.passes.endExpired({ at });
    store.passes.removeBefore({ at: at - KEEP_USES_MS });
    store.passes.removeUsesBefore({ at: at - KEEP_USES_MS });
    store.tasks.forget({ before: at - KEEP_STATUS_MS });
    store.creations.removeBefore({ before: at - DAY_MS });
    store.activity.removeBefore({ at: at - KEEP_ACTIVITY_MS });
  });
}
