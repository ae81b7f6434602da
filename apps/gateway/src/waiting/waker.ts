// Asks the control plane to start a Gitspace: at once, and once for all who want it here.
import {
  fail,
  GatewayReportsAnswer,
  type GatewayReport,
  parse,
  type WakeAnswer,
  type WakeBy,
} from "@gitspaces/contracts";
import type { Clock, Logger } from "@gitspaces/daemon";
import { askControlPlane, type ControlPlane, expectSuccess } from "../control-plane.ts";
import { readText } from "./read-text.ts";
import type { Asker } from "./who-may-start.ts";

const ANSWER_MS = 10_000;
/** After an answer nobody asks again for a moment, whatever came of it. */
const QUIET_MS = 1_000;

/** `generation`: the one that was seen stopped. */
export type Wish = { gitspaceId: string; generation: number; asker: Asker; by: WakeBy };
type Collaborators = { controlPlane: ControlPlane; clock: Clock; log: Logger };

export class Waker {
  readonly #with: Collaborators;
  readonly #asked = new Map<string, Promise<WakeAnswer>>();

  constructor(collaborators: Collaborators) {
    this.#with = collaborators;
  }

  /**
   * What the control plane says to a start. All who ask for the same Gitspace, generation and person share one question.
   * @throws {FailureError} `vm_unreachable` (later) when the control plane can not be asked.
   */
  async wake(wish: Wish): Promise<WakeAnswer> {
    const key = [wish.gitspaceId, wish.generation, wish.asker.user].join(" ");
    const present = this.#asked.get(key);
    if (present !== undefined) return await present;
    const asking = this.#ask(wish);
    this.#asked.set(key, asking);
    const forget = (): void => void this.#asked.delete(key);
    asking.then(() => setTimeout(forget, QUIET_MS).unref(), forget);
    return await asking;
  }

  async #ask({ gitspaceId, generation, asker, by }: Wish): Promise<WakeAnswer> {
    const { controlPlane, clock, log } = this.#with;
    const report: GatewayReport = { kind: "wake", gitspaceId, generation, user: asker.user, at: clock.now(), by };
    const answer = await this.#send(controlPlane, report).catch((cause: unknown) => {
      log.warn({ gitspaceId, reason: (cause as Error).message }, "a Gitspace could not be woken");
      throw fail("vm_unreachable", "Nothing can be started now, because the control plane can not be reached.", {
        details: { reason: CONTROL_PLANE_AWAY },
        cause,
      });
    });
    log.info({ gitspaceId, user: asker.user, by, outcome: answer.outcome }, "a visit wakes a Gitspace");
    return answer;
  }

  async #send(controlPlane: ControlPlane, report: GatewayReport): Promise<WakeAnswer> {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const body = JSON.stringify({ reports: [report] });
    const answer = await askControlPlane(controlPlane, {
      method: "POST",
      path: "api/gateway/v1/reports",
      body,
      signal,
    });
    expectSuccess(answer);
    const { wakes } = parse(GatewayReportsAnswer, JSON.parse(await readText(answer)), "answer to a wake");
    const [wake] = wakes;
    if (wake === undefined) throw fail("unsupported", "The control plane does not wake Gitspaces.");
    return wake;
  }
}

/** `details.reason` of the failure when nobody could be asked. */
export const CONTROL_PLANE_AWAY = "control_plane_away";
