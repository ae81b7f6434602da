// Being known to the control plane: registered once, a heartbeat every ten seconds, registered again when it was forgotten.
import { setTimeout as sleep } from "node:timers/promises";
import type { RegisterRequest } from "@gitspaces/contracts";
import { backoff, type Logger } from "@gitspaces/daemon";
import { type ControlPlane, refusedWith } from "./control-plane.ts";
import type { Journal } from "./journal.ts";

const DELEGATE_ID = "delegateId";

export type Registration = {
  /** The id the control plane gave, while it knows us under it. */
  id(): string | undefined;
  /** Waits for an id. @throws when `signal` aborts. */
  registered(signal: AbortSignal): Promise<string>;
  /** The id, after the control plane has just now said that it knows it. @throws when it can not be asked. */
  confirmed(signal: AbortSignal): Promise<string>;
  /** The control plane does not know this id any more. */
  forgotten(id: string): void;
  /** Sends a heartbeat now, because what it says has changed. */
  beat(): void;
  [Symbol.asyncDispose](): Promise<void>;
};
type Options = {
  controlPlane: ControlPlane;
  journal: Journal;
  /** What we say of ourselves right now. */
  describe: () => RegisterRequest;
  heartbeatMs?: number;
  log: Logger;
};

export function openRegistration({
  controlPlane,
  journal,
  describe,
  heartbeatMs = 10_000,
  log,
}: Options): Registration {
  const stop = new AbortController();
  let id: string | undefined;
  let arrival = Promise.withResolvers<string>();
  let wake = Promise.withResolvers<void>();

  async function register(): Promise<void> {
    const pause = backoff({ firstMs: 100, maxMs: 5_000, signal: stop.signal });
    for (let attempt = 1; ; attempt++) {
      try {
        const before = journal.fact(DELEGATE_ID);
        const given = await controlPlane.register(
          { ...describe(), ...(before === undefined ? {} : { delegateId: before }) },
          stop.signal,
        );
        if (given !== before) journal.setFact(DELEGATE_ID, given);
        id = given;
        arrival.resolve(given);
        log.info({ delegateId: given }, "registered");
        return;
      } catch (error) {
        stop.signal.throwIfAborted();
        const reason = error instanceof Error ? error.message : String(error);
        const cure = refusedWith(error, 401, 403) ? "check the account id and the delegate token" : "is it running?";
        if (attempt % 20 === 4)
          log.warn({ reason, cure }, "the control plane does not register this delegate, still trying");
        await pause.wait();
      }
    }
  }

  async function heartbeat(present: string): Promise<void> {
    try {
      await controlPlane.heartbeat({ ...describe(), delegateId: present }, stop.signal);
    } catch (error) {
      stop.signal.throwIfAborted();
      if (refusedWith(error, 401, 404, 410)) forgotten(present);
      else log.debug({ reason: (error as Error).message }, "a heartbeat was not answered");
    }
  }

  function forgotten(which: string): void {
    if (id !== which) return;
    log.info({ delegateId: which }, "the control plane forgot this delegate");
    id = undefined;
    arrival = Promise.withResolvers();
    wake.resolve();
  }

  async function registered(signal: AbortSignal): Promise<string> {
    if (id !== undefined) return id;
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason as Error);
    signal.throwIfAborted();
    signal.addEventListener("abort", abort, { once: true });
    return await Promise.race([arrival.promise, aborted.promise]).finally(() =>
      signal.removeEventListener("abort", abort),
    );
  }

  async function keep(): Promise<void> {
    for (;;) {
      if (id === undefined) await register();
      await Promise.race([wake.promise, sleep(heartbeatMs, undefined, { signal: stop.signal })]);
      wake = Promise.withResolvers();
      if (id !== undefined) await heartbeat(id);
    }
  }
  const keeping = keep().catch((err: unknown) => {
    if (!stop.signal.aborted) log.error({ err }, "registration ended");
  });

  return {
    id: () => id,
    registered,
    async confirmed(signal) {
      const present = await registered(signal);
      try {
        await controlPlane.heartbeat({ ...describe(), delegateId: present }, signal);
        return present;
      } catch (error) {
        if (!refusedWith(error, 401, 404, 410)) throw error;
        forgotten(present);
        return await registered(signal);
      }
    },
    forgotten,
    beat: () => wake.resolve(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      wake.resolve();
      await keeping;
    },
  };
}
