// The domain of VMs and pools: facts and decisions, no I/O and no clock.
export * from "./plan.ts";
export * from "./reconcile.ts";
export * from "./vm.ts";
