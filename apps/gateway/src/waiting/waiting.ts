// Waits with somebody until a Gitspace runs, and starts it for those who may. HTTP and SSH wait here alike.
import { type AccessDocument, fail, type WakeBy } from "@gitspaces/contracts";
import type { Clock } from "@gitspaces/daemon";
import type { Access } from "../access.ts";
import type { Changes } from "../changes.ts";
import type { Routed, Routes } from "../routes.ts";
import type { LiveConnections } from "../live-connections.ts";
import { type HoldLimits, HoldRoom } from "./hold-room.ts";
import { nextStep, type Waited } from "./next-step.ts";
import type { Progress } from "./progress.ts";
import { Quiet } from "./quiet.ts";
import { type GaveUp, tellWhy } from "./reasons.ts";
import type { Waker } from "./waker.ts";
import { type Asker, mayStart } from "./who-may-start.ts";

/** The reason of a failed start comes a moment after the state. */
const REASON_MS = 1_000;
const NEWS_MS = 2_000;

type Collaborators = {
  access: Access;
  routes: Routes;
  changes: Changes;
  waker: Waker;
  progress: Progress;
  live: LiveConnections;
  clock: Clock;
};

export class Waiting {
  readonly #with: Collaborators;
  readonly #limits: HoldLimits;
  readonly #room: HoldRoom;
  readonly #quiet: Quiet;

  constructor(collaborators: Collaborators, limits: HoldLimits) {
    this.#with = collaborators;
    this.#limits = limits;
    this.#room = new HoldRoom(limits);
    this.#quiet = new Quiet(collaborators.clock);
  }

  /** Hears that what is known of a Gitspace changed, before anything that runs through here is ended because of it. */
  heard(gitspaceId: string): void {
    const { access, live } = this.#with;
    const state = access.find(gitspaceId)?.state;
    if (state === "running") this.#quiet.end(gitspaceId);
    else if ((state === "stopping" || state === "stopped") && live.has(gitspaceId, "ssh"))
      this.#quiet.begin(gitspaceId);
  }

  /** How many are held now. */
  get held(): number {
    return this.#room.size;
  }

  /**
   * The route once the Gitspace runs. `asker` must be admitted already; when they may start it and it is stopped, it is started.
   * A signal that aborts, or the time of a hold that is over, ends the wait.
   * @throws {FailureError} with `details.situation` and `details.retryAfterSeconds` when it will not run, or not in time;
   * `no_capacity` when too many wait already; `not_found` when it is gone.
   */
  async whenRunning(
    gitspaceId: string,
    asker: Asker | undefined,
    signal: AbortSignal,
    by: WakeBy = "client",
  ): Promise<Routed> {
    const { access, routes, changes, waker, progress } = this.#with;
    const document = access.find(gitspaceId);
    if (document === undefined) throw tellWhy({ why: "gone" });
    const { name } = document;
    const waited: Waited = { mayStart: mayStart(document, asker), met: document.generation };
    const first = nextStep(document, routes.find(gitspaceId), waited);
    if (first.step === "go") return first.routed;
    if (by === "ssh" && isStopped(document) && !this.#quiet.mayStart(gitspaceId))
      throw tellWhy({ why: "just_stopped", name });

    using place = this.#room.take(gitspaceId);
    if (place === undefined) throw tellWhy({ why: "too_many", name });
    using watched = progress.watch(gitspaceId);
    const late = AbortSignal.timeout(this.#limits.holdMs);
    const until = AbortSignal.any([signal, late]);
    for (;;) {
      const present = access.find(gitspaceId);
      const step = nextStep(present, routes.find(gitspaceId), waited);
      if (step.step === "go") return step.routed;
      if (step.step === "give_up") {
        if (step.why === "failed") await reasonOf(watched, changes, gitspaceId, signal);
        throw tellWhy({ why: step.why, name, reason: watched.present.failure?.message });
      }
      if (signal.aborted) throw fail("cancelled", "Nobody waits any more.");
      if (late.aborted) throw tellWhy({ why: "late", name });
      if (step.step === "wake" && present !== undefined && asker !== undefined) {
        const wish = { gitspaceId, generation: present.generation, asker, by };
        const answer = await waker.wake(wish).catch((cause: unknown) => {
          throw tellWhy({ why: "control_plane_away", name }, cause);
        });
        if (answer.outcome === "denied") throw tellWhy({ why: "denied", name, failure: answer.failure });
        waited.asked = answer.generation;
        continue;
      }
      await changes.next(gitspaceId, until);
    }
  }

  /** The news of a start comes by another way than the word that it was accepted. */
  async #heardOf(gitspaceId: string, generation: number): Promise<void> {
    const { access, changes } = this.#with;
    const until = AbortSignal.timeout(NEWS_MS);
    while (!until.aborted && (access.find(gitspaceId)?.generation ?? 0) < generation)
      await changes.next(gitspaceId, until);
  }

  /** Starts it without waiting until it runs; gives why it can not be started, or nothing. */
  async wake(gitspaceId: string, asker: Asker, by: WakeBy): Promise<GaveUp | undefined> {
    const document = this.#with.access.find(gitspaceId);
    if (document === undefined || !mayStart(document, asker)) return { why: "gone" };
    const { name, generation } = document;
    try {
      const answer = await this.#with.waker.wake({ gitspaceId, generation, asker, by });
      if (answer.outcome === "denied") return { why: "denied", name, failure: answer.failure };
      await this.#heardOf(gitspaceId, answer.generation);
      return undefined;
    } catch {
      return { why: "control_plane_away", name };
    }
  }
}

function isStopped({ state }: AccessDocument): boolean {
  return state === "stopping" || state === "stopped";
}

async function reasonOf(
  watched: ReturnType<Progress["watch"]>,
  changes: Changes,
  gitspaceId: string,
  signal: AbortSignal,
): Promise<void> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(REASON_MS)]);
  while (watched.present.failure === null && !until.aborted) await changes.next(gitspaceId, until);
}
