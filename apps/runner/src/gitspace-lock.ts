// One task at a time per Gitspace, in this runner and across runners; a later generation ends an earlier one's work.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@gitspaces/daemon";
import { type ClaimStore, type Purpose, superseded } from "./claim-store.ts";
import { LockLostError } from "./lock-lost.ts";
import type { Fence } from "./vm-store.ts";

/** A lock is renewed so often in its life. */
const RENEWALS = 3;
const SLOWEST_TRY_MS = 100;

/**
 * What who works on a Gitspace shows: `confirm` throws when the lock was lost or a later action came; the fence goes along with
 * whatever cannot be taken back, and is compared there.
 */
export type Hold = { confirm: () => Promise<void>; fence: Fence };
type Work<T> = (signal: AbortSignal, hold: Hold) => Promise<T>;
type Turn = { gitspaceId: string; generation: number };

export type GitspaceLock = ReturnType<typeof gitspaceLock>;

/** The lock of this runner, for `lockMs` milliseconds unless renewed. Its work is made safe by the records themselves; the lock keeps tasks out of each other's way. */
export function gitspaceLock(claims: ClaimStore, lockMs: number, log: Logger) {
  const working = new Map<AbortController, Turn>();

  function endEarlier({ gitspaceId, generation }: Turn): void {
    for (const [controller, turn] of working) {
      if (turn.gitspaceId === gitspaceId && turn.generation < generation) controller.abort(superseded());
    }
  }

  async function take(turn: Turn, holder: string, signal: AbortSignal): Promise<void> {
    for (let pauseMs = 5; ; pauseMs = Math.min(SLOWEST_TRY_MS, pauseMs * 2)) {
      const { isHeld, generation } = await claims.lock(turn.gitspaceId, holder, lockMs);
      if (generation > turn.generation) {
        if (isHeld) await claims.unlock(turn.gitspaceId, holder);
        throw superseded();
      }
      if (isHeld) return;
      await sleep(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  async function renew(turn: Turn, holder: string, controller: AbortController): Promise<void> {
    const { isHeld, generation } = await claims.renew(turn.gitspaceId, holder, lockMs);
    if (generation > turn.generation) controller.abort(superseded());
    else if (!isHeld) controller.abort(new LockLostError(turn.gitspaceId));
    controller.signal.throwIfAborted();
  }

  /**
   * Does the work of a task alone on its Gitspace.
   * @throws {FailureError} `superseded` when a later action came before or meanwhile; the reason of `signal` when it aborts.
   */
  return async function alone<T>(turn: Turn, purpose: Purpose, signal: AbortSignal, work: Work<T>): Promise<T> {
    await claims.enter(turn.gitspaceId, turn.generation, purpose, signal);
    endEarlier(turn);
    const holder = randomUUID();
    const controller = new AbortController();
    const either = AbortSignal.any([signal, controller.signal]);
    await take(turn, holder, either);
    working.set(controller, turn);
    const renewal = setInterval(() => {
      renew(turn, holder, controller).catch((err: unknown) => {
        if (!controller.signal.aborted) log.warn({ err, gitspaceId: turn.gitspaceId }, "the lock could not be renewed");
      });
    }, lockMs / RENEWALS);
    try {
      const fence = { gitspaceId: turn.gitspaceId, holder };
      return await work(either, { confirm: () => renew(turn, holder, controller), fence });
    } catch (error) {
      // Whatever was cut off failed because of this.
      throw controller.signal.aborted ? controller.signal.reason : error;
    } finally {
      clearInterval(renewal);
      working.delete(controller);
      await claims.unlock(turn.gitspaceId, holder);
    }
  };
}
