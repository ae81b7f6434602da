import { expect, test } from "vitest";
import { planReconciliation, type Recorded, type Reconciliation, type Seen, type World } from "./reconcile.ts";
import type { Vm } from "./vm.ts";

const NOW = 1_000_000;
const reach = { address: "127.0.0.1", port: 8083, keyFingerprint: "k" };
const owner = { gitspaceId: "hello-k3v9x2", generation: 1, taskId: "t" };
const base = { id: "default-a", pool: "default", createdAt: NOW, owner: null };
const warm: Vm = { ...base, power: "running", agent: "ready", ...reach };
const owned: Vm = { ...warm, owner };
const making: Vm = { ...base, power: "making" };
const seen: Seen = { id: "default-a", pool: "default", power: "running", gitspaceId: null };
const sound = (vm: Vm): Recorded => ({
  vm,
  slot: vm.owner?.gitspaceId ?? "",
  isInWarmSet: vm.owner === null && vm.power === "running" && vm.agent === "ready",
  claimed: vm.owner === null ? undefined : vm.id,
});
const world = (over: Partial<World>): World => ({
  records: [],
  lost: [],
  routes: [],
  seen: [],
  isComplete: true,
  strays: new Map(),
  pools: new Set(["default"]),
  makingLostMs: 600_000,
  now: NOW,
  ...over,
});
const lost = { id: "default-a", pool: "default", gitspaceId: null };

test.each<[string, Partial<World>, Partial<Reconciliation>]>([
  ["a warm VM that is there is asked how it is", { records: [sound(warm)], seen: [seen] }, { do: "probe" }],
  ["an owned VM that is there is kept", { records: [sound(owned)], seen: [seen] }, { do: "keep" }],
  [
    "one that comes up is kept",
    { records: [sound({ ...base, power: "running", agent: "starting" })], seen: [seen] },
    { do: "keep" },
  ],
  ["one missing in a complete list is asked for again", { records: [sound(owned)] }, { do: "confirm" }],
  ["one missing in an incomplete list is kept", { records: [sound(owned)], isComplete: false }, { do: "keep" }],
  [
    "one without power is asked for again",
    { records: [sound(owned)], seen: [{ ...seen, power: "stopped" }], isComplete: false },
    { do: "confirm" },
  ],
  [
    "one that the provider removed and still lists is asked for again",
    { records: [sound(warm)], seen: [{ ...seen, power: "gone" }] },
    { do: "confirm" },
  ],
  ["one being made is kept", { records: [sound(making)] }, { do: "keep" }],
  [
    "one being made for too long is given up",
    { records: [sound({ ...making, owner })], now: NOW + 600_001 },
    { do: "giveUp" },
  ],
  [
    "stock that sleeps is given up, as nobody wakes it",
    { records: [sound({ ...base, power: "suspended", ...reach })], seen: [seen] },
    { do: "giveUp" },
  ],
  [
    "a Gitspace's VM that sleeps is kept",
    { records: [sound({ ...base, owner, power: "suspended", ...reach })], seen: [{ ...seen, power: "suspended" }] },
    { do: "keep" },
  ],
  [
    "a removal that was cut short is finished",
    { records: [sound({ ...base, owner, power: "deleting" })], seen: [seen], isComplete: false },
    { do: "clear" },
  ],
  ["a record of one that is gone is cleared", { records: [sound({ ...base, power: "gone" })] }, { do: "clear" }],
  [
    "stock of an unknown pool is retired",
    { records: [sound({ ...warm, pool: "old" })], seen: [{ ...seen, pool: "old" }] },
    { do: "retire" },
  ],
  [
    "an owned VM of an unknown pool is kept",
    { records: [sound({ ...owned, pool: "old" })], seen: [seen] },
    { do: "keep" },
  ],
  [
    "a warm VM whose label has an owner is disowned",
    { records: [sound(warm)], seen: [{ ...seen, gitspaceId: "theirs-k3v9x2" }] },
    { do: "disown" },
  ],
  [
    "an owned VM labelled with another is disowned",
    { records: [sound(owned)], seen: [{ ...seen, gitspaceId: "theirs-k3v9x2" }] },
    { do: "disown" },
  ],
  ["an owned VM not labelled yet is kept", { records: [sound(owned)], seen: [seen] }, { do: "keep" }],
  ["a missing slot is mended", { records: [{ ...sound(owned), slot: undefined }], seen: [seen] }, { do: "mend" }],
  [
    "an owned VM among the warm ones is mended",
    { records: [{ ...sound(owned), isInWarmSet: true }], seen: [seen] },
    { do: "mend" },
  ],
  [
    "a ready VM not among the warm ones is mended",
    { records: [{ ...sound(warm), isInWarmSet: false }], seen: [seen] },
    { do: "mend" },
  ],
  [
    "a claim that names another VM is mended",
    { records: [{ ...sound(owned), claimed: "default-b" }], seen: [seen] },
    { do: "mend" },
  ],
  ["one without a record is adopted", { seen: [seen] }, { do: "adopt", sighting: 1, orRemove: false }],
  [
    "at the second sighting it is adopted or removed",
    { seen: [seen], strays: new Map([["default-a", 1]]) },
    { do: "adopt", sighting: 2, orRemove: true },
  ],
  [
    "an incomplete list is no sighting",
    { seen: [seen], strays: new Map([["default-a", 1]]), isComplete: false },
    { do: "adopt", sighting: 1, orRemove: false },
  ],
  ["a slot without record and VM is released", { lost: [lost] }, { do: "release" }],
  [
    "a route to a VM that the Gitspace does not hold ends",
    { routes: [{ gitspaceId: "hello-k3v9x2", id: "default-a", claimed: "default-b" }] },
    { do: "endRoute" },
  ],
  [
    "a slot of a VM that is listed as gone is released",
    { lost: [lost], seen: [{ ...seen, power: "gone" }] },
    { do: "release" },
  ],
  ["a slot without record is kept after an incomplete list", { lost: [lost], isComplete: false }, { do: "keep" }],
  ["a slot of a VM without a record is that VM's", { lost: [lost], seen: [seen] }, { do: "adopt" }],
])("I3: %s", (_claim, over, expected) => {
  const plan = planReconciliation(world(over));
  expect(plan).toHaveLength(1);
  expect(plan[0]).toMatchObject({ id: "default-a", ...expected });
});
