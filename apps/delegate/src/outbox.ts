// Brings stored answers to the control plane, again and again until it acknowledges them or says that it wants none.
import { backoff, type Logger } from "@gitspaces/daemon";
import { type ControlPlane, refusedWith } from "./control-plane.ts";
import type { Courier } from "./courier.ts";
import type { Journal, UnsentAnswer } from "./journal.ts";
import type { Registration } from "./registration.ts";

/** How long an answer lets the events of its task go first. */
const EVENTS_FIRST_MS = 2_000;

export type Outbox = {
  /** Sends the stored answer of a task; nothing happens when it is on its way already. */
  send(taskId: string): void;
  /** Sends what was stored and not acknowledged before a restart. */
  resume(): void;
  /** Resolves when nothing is on its way any more, or after `limitMs`. */
  flush(limitMs: number): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};
type Options = {
  journal: Journal;
  controlPlane: ControlPlane;
  courier: Courier;
  registration: Pick<Registration, "confirmed">;
  log: Logger;
};

export function openOutbox({ journal, controlPlane, courier, registration, log }: Options): Outbox {
  const stop = new AbortController();
  const onTheirWay = new Map<string, Promise<void>>();

  async function deliver(taskId: string): Promise<void> {
    await courier.offered(taskId, EVENTS_FIRST_MS);
    const pause = backoff({ firstMs: 200, maxMs: 5_000, signal: stop.signal });
    for (let attempt = 1; ; attempt++) {
      const answer = journal.unsentAnswer(taskId);
      if (answer === undefined) break;
      try {
        await post(answer);
        journal.close(taskId, "acknowledged");
        break;
      } catch (error) {
        stop.signal.throwIfAborted();
        const reason = error instanceof Error ? error.message : String(error);
        if (refusedWith(error, 404, 410)) {
          journal.close(taskId, "refused");
          log.warn({ taskId, reason }, "the control plane wants no answer to this task");
          break;
        }
        if (attempt === 4) log.warn({ taskId, reason }, "an answer could not be delivered, still trying");
        await pause.wait();
      }
    }
    onTheirWay.delete(taskId);
  }

  /**
   * Under the id that holds the task. A 404 may mean that the control plane does not know the task, or not us: it counts once
   * it comes while we are known, under the id that holds the task and under the one we have now.
   */
  async function post(answer: UnsentAnswer): Promise<void> {
    const attempt = (id: string) => controlPlane.answer(destination(answer, id), answer.body, stop.signal);
    const unless404 = (error: unknown) => {
      if (!refusedWith(error, 404)) throw error;
      return true;
    };
    if ((await attempt(answer.holder).catch(unless404)) !== true) return;
    const present = await registration.confirmed(stop.signal);
    if (present !== answer.holder && (await attempt(present).catch(unless404)) !== true) return;
    await attempt(answer.holder);
  }

  return {
    send(taskId) {
      if (onTheirWay.has(taskId) || stop.signal.aborted) return;
      const delivery = deliver(taskId).catch((err: unknown) => {
        if (!stop.signal.aborted) log.error({ err, taskId }, "delivering an answer failed, a restart tries again");
      });
      onTheirWay.set(taskId, delivery);
    },
    resume() {
      for (const taskId of journal.unsent()) this.send(taskId);
    },
    async flush(limitMs) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, limitMs);
      await Promise.race([Promise.all(onTheirWay.values()), promise]).finally(() => clearTimeout(timer));
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(onTheirWay.values());
    },
  };
}

function destination({ id, toRunnerEndpoint }: UnsentAnswer, delegateId: string) {
  const task = encodeURIComponent(id);
  return toRunnerEndpoint
    ? { path: `/api/executions/${task}/response`, query: { delegateId } }
    : { path: `/api/agent/v2/tasks/${task}/delegates/${encodeURIComponent(delegateId)}`, query: {} };
}
