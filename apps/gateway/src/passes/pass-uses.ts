// What was done with passes: each use in the log, and their sum for the control plane. Paths without their query, nothing secret.
import type { GatewayReport } from "@gitspaces/contracts";
import type { Clock, Logger } from "@gitspaces/daemon";

export type Use = { gitspaceId: string; pass: string; port: number; address: string };
type Report = Extract<GatewayReport, { kind: "pass" }>;
/** More holders than this between two reports are told as one without an address. */
const MOST = 300;

export class PassUses {
  readonly #clock: Clock;
  readonly #log: Logger;
  #sums = new Map<string, Report>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** A link was opened in a browser, which has a cookie now. */
  opened(use: Use): void {
    this.#log.info(use, "a link was opened");
    this.#add(use, 0);
  }

  /** A request or an upgrade was let through. */
  requested(use: Use, request: { method: string; path: string }): void {
    this.#log.info({ ...use, ...request }, "a pass was used");
    this.#add(use, 1);
  }

  /** The sums since the last call, for a report. */
  take(): Report[] {
    const taken = [...this.#sums.values()];
    this.#sums = new Map();
    return taken;
  }

  #add(use: Use, requests: number): void {
    const whole = this.#sums.size < MOST ? use : { ...use, address: "" };
    const key = JSON.stringify(whole);
    const before = this.#sums.get(key)?.requests ?? 0;
    this.#sums.set(key, { kind: "pass", ...whole, requests: before + requests, at: this.#clock.now() });
  }
}
