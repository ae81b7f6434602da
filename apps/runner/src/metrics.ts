// The runner's figures. Labels are pools, stages and outcomes, never Gitspaces or VMs, so that their number stays small.
import type { Timings } from "@gitspaces/contracts";
import { isWarm, type Vm } from "@gitspaces/vm-pool";
import { daysLeft } from "@gitspaces/daemon/certificates";
import type { Progress } from "./ca/rotating.ts";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

export type Metrics = ReturnType<typeof runnerMetrics>;

const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** The figures, in this registry. */
export function runnerMetrics(register: Registry) {
  const registers = [register];
  const vms = new Gauge({
    name: "gitspaces_runner_vms",
    help: "VMs that are not gone",
    labelNames: ["pool", "state"],
    registers,
  });
  const claims = new Counter({
    name: "gitspaces_runner_claims_total",
    help: "Claims by how they ended",
    labelNames: ["pool", "outcome"],
    registers,
  });
  const stages = new Histogram({
    name: "gitspaces_runner_claim_seconds",
    help: "Duration of a claim's stages",
    labelNames: ["stage"],
    buckets: BUCKETS_S,
    registers,
  });
  const failures = new Counter({
    name: "gitspaces_runner_vm_failures_total",
    help: "VMs of the stock that did not come up",
    labelNames: ["pool"],
    registers,
  });
  const paused = new Gauge({
    name: "gitspaces_runner_pool_paused",
    help: "1 while a pool makes no VMs because they keep failing",
    labelNames: ["pool"],
    registers,
  });
  const rotation = new Gauge({
    name: "gitspaces_runner_ca_rotation",
    help: "1 for where the rotation of the certificate authority is",
    labelNames: ["phase"],
    registers,
  });
  const waitedFor = new Gauge({
    name: "gitspaces_runner_ca_waited_for",
    help: "Processes that keep the rotation of the certificate authority where it is, 20 at most",
    registers,
  });
  let certificate: (() => string) | undefined;
  // oxlint-disable-next-line no-new -- a figure lives in its registry
  new Gauge({
    name: "gitspaces_certificate_days_left",
    help: "Days until this process's certificate ends; it is renewed at a third of its life before that",
    registers,
    collect() {
      if (certificate !== undefined) this.set(daysLeft(certificate(), Date.now()));
    },
  });
  return {
    certificate: (read: () => string) => void (certificate = read),
    rotation(progress: Progress): void {
      for (const phase of ["none", "announced", "retiring"] as const)
        rotation.set({ phase }, phase === progress.phase ? 1 : 0);
      waitedFor.set(progress.waitedFor.length);
    },
    pool(pool: string, present: readonly Vm[]): void {
      const warm = present.filter(isWarm).length;
      const owned = present.filter((vm) => vm.owner !== null).length;
      vms.set({ pool, state: "warm" }, warm);
      vms.set({ pool, state: "owned" }, owned);
      vms.set({ pool, state: "other" }, present.length - warm - owned);
    },
    claimed(pool: string, outcome: "warm" | "cold" | "failed", timings: Timings): void {
      claims.inc({ pool, outcome });
      if (outcome === "failed") return;
      for (const [stage, ms] of Object.entries(timings)) stages.observe({ stage }, ms / 1_000);
    },
    vmFailed: (pool: string) => failures.inc({ pool }),
    paused: (pool: string, isPaused: boolean) => paused.set({ pool }, isPaused ? 1 : 0),
  };
}
