// The runner's failpoints: one before and one after each effect outside this process, named by what was done.
import { withFailpoints } from "@gitspaces/daemon";
import type { Provider } from "@gitspaces/providers";
import type { AgentClient } from "./agent-client.ts";
import type { ClaimStore } from "./claim-store.ts";
import type { Mending } from "./mending.ts";
import type { EnrolmentTokens } from "./enrolment-tokens.ts";
import type { VmStore } from "./vm-store.ts";

/** A label means another step for each of those that write one. */
const labels = { claiming: "ClaimLabel", making: "KeyLabel", removal: "GenerationLabel" } as const;

/** Effects by port and method. `runner.before…` and `runner.after…` are the names of the points around one. */
export const effects = {
  claims: {
    enter: "Enter",
    lock: "Lock",
    renew: "Renew",
    reserve: "Reserve",
    setRoute: "RouteSet",
    removeRoute: "RouteRemoved",
    unlock: "Unlock",
  },
  store: {
    addStock: "StockAdded",
    takeStock: "StockTaken",
    lease: "Lease",
    leaveLease: "LeaseLeft",
    running: "RunningRecorded",
    enrolled: "EnrolRecorded",
    noteVersion: "VersionNoted",
    agent: "ReadyRecorded",
    deleting: "DeletingRecorded",
    forget: "Forget",
    adopt: "Adopted",
    cameUp: "UpRecorded",
    holdSlot: "SlotHeld",
    discard: "Discarded",
    freeSlot: "SlotFreed",
  },
  mender: {
    mend: "Mended",
    disown: "Disowned",
    giveUp: "GivenUp",
    condemn: "Condemned",
    endClaim: "ClaimEnded",
    endRoute: "RouteEnded",
  },
  tokens: { make: "TokenMade", spend: "TokenSpent" },
  provider: {
    create: "ProviderCreate",
    createDisk: "DiskCreate",
    attachDisk: "DiskAttach",
    remove: "ProviderRemove",
    removeDisk: "DiskRemove",
  },
  agents: { giveIdentity: "IdentityHanded" },
} as const;

/** Passed in place by the worker: the queue has no port of its own. */
const ofTheQueue = [
  "runner.afterTaskTaken",
  "runner.afterBegunRecorded",
  "runner.afterProgressWritten",
  "runner.beforeAnswer",
] as const;

/** Passed in place by a rotation of the certificate authority, after each thing that it leaves on the disk. */
export const caPoints = {
  key: "runner.afterCaKey",
  announce: "runner.afterCaAnnounced",
  switch: "runner.afterCaSwitched",
  drop: "runner.afterCaDropped",
} as const;

/** Passed only when a pool has a VM too many, a record was lost, or a runner stops in good order. */
const rare: readonly string[] = [
  "runner.afterRenew",
  "runner.afterStockTaken",
  "runner.afterLeaseLeft",
  "runner.afterAdopted",
  "runner.afterUpRecorded",
  "runner.afterSlotHeld",
  "runner.afterDiscarded",
  "runner.afterSlotFreed",
  ...Object.values(effects.mender).map((name) => `runner.after${name}`),
  ...Object.values(caPoints),
];

const allNames: readonly string[] = [
  ...ofTheQueue,
  ...Object.values(caPoints),
  ...[...Object.values(effects).flatMap((methods) => Object.values(methods)), ...Object.values(labels)].map(
    (name) => `runner.after${name}`,
  ),
];

/** Every point that a Gitspace's life (start, stop, start, delete) and the refill of its pool pass. */
export const failpointNames: readonly string[] = allNames.filter((name) => !rare.includes(name));

/** The ports with their failpoints; themselves where none is armed. */
export const withPoints = {
  claims: (port: ClaimStore): ClaimStore => withFailpoints("runner", port, effects.claims),
  store: (port: VmStore): VmStore => withFailpoints("runner", port, effects.store),
  mender: (port: Mending): Mending => withFailpoints("runner", port, effects.mender),
  tokens: (port: EnrolmentTokens): EnrolmentTokens => withFailpoints("runner", port, effects.tokens),
  agents: (port: AgentClient): AgentClient => withFailpoints("runner", port, effects.agents),
  provider: (port: Provider, user: keyof typeof labels | "sweep" | "disks"): Provider =>
    withFailpoints("runner", port, {
      ...effects.provider,
      ...(user === "sweep" || user === "disks" ? {} : { label: labels[user] }),
    }),
};
