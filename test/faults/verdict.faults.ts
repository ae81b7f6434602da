// The verdict on scenes made by hand: a whole one is found whole, and each way in which something can be lost or left is found.
import { expect, test } from "vitest";
import type { Scene } from "./scene.ts";
import { type Expected, violations } from "./verdict.ts";

const states = { one: "running", two: "stopped", three: "error", four: "gone" } as const;
const expected: Expected = new Map(Object.entries(states));

/** One Gitspace in each state, a warm VM, and nothing else. */
const whole: Scene = {
  vms: [
    { id: "vm-one", gitspace: "one", power: "running", slot: 1 },
    { id: "vm-warm", gitspace: null, power: "running", slot: 2 },
  ],
  homes: [
    { id: "one", attachedTo: "vm-one" },
    { id: "two", attachedTo: null },
  ],
  halfRemoved: [],
  strays: [],
  namespaces: [2, 1],
  interfaces: [1, 2],
  processes: [1, 2],
  routes: [{ gitspace: "one", vm: "vm-one" }],
  records: ["vm-warm", "vm-one"],
  slots: ["vm-one", "vm-warm"],
  warm: ["vm-warm"],
  claims: [{ gitspace: "one", vm: "vm-one" }],
  jobs: 0,
  tasks: [{ id: "t", type: "vm.provision", gitspace: "one", state: "answered", outcome: "ok", late: 0 }],
};
const [oneVm, warmVm] = whole.vms as [Scene["vms"][number], Scene["vms"][number]];
const [task] = whole.tasks as [Scene["tasks"][number]];
const oneClaim = { gitspace: "one", vm: "vm-one" };

test("I1 I2 I3 I4 I5 I6 I8: a scene in which nothing is lost and nothing left over breaks nothing", () => {
  expect(violations(whole, expected, 1)).toEqual([]);
});

/** What is changed in the whole scene, and the words that must be among what is found. */
const broken: [string, Partial<Scene>, RegExp][] = [
  ["a running Gitspace has no VM", { vms: [warmVm] }, /^I3: one is running and has 0 VMs/],
  [
    "a Gitspace has two VMs",
    { vms: [oneVm, warmVm, { ...oneVm, id: "vm-too", slot: 3 }] },
    /^I3: one is running and has 2 VMs/,
  ],
  [
    "a stopped Gitspace has a VM",
    { vms: [oneVm, { ...warmVm, gitspace: "two" }] },
    /^I3: two is stopped and has 1 VMs/,
  ],
  ["a failed Gitspace has a VM", { vms: [oneVm, { ...warmVm, gitspace: "three" }] }, /^I3: three is error and has 1/],
  ["a VM is nobody's", { vms: [oneVm, { ...warmVm, gitspace: "stranger" }] }, /^I3: VMs of nobody are left: vm-warm/],
  ["the VM has no power", { vms: [{ ...oneVm, power: "off" }, warmVm] }, /^I3: the VM of one is off/],
  ["the route is missing", { routes: [] }, /^I5: one is running and has 0 routes/],
  [
    "the route leads elsewhere",
    { routes: [{ gitspace: "one", vm: "vm-warm" }] },
    /^I5: the route of one leads to vm-w/,
  ],
  [
    "a stopped Gitspace has a route",
    { routes: [oneClaim, { gitspace: "two", vm: "vm-one" }] },
    /^I5: two is stopped and has 1 routes/,
  ],
  ["a route is nobody's", { routes: [oneClaim, { gitspace: "x", vm: "vm-one" }] }, /^I3: routes of nobody are left: x/],
  ["the claim is missing", { claims: [] }, /^I6: one is running and has 0 claims/],
  ["the claim is on another VM", { claims: [{ gitspace: "one", vm: "vm-warm" }] }, /^I6: the claim of one is on vm-w/],
  [
    "a deleted Gitspace has a claim",
    { claims: [oneClaim, { gitspace: "four", vm: "v" }] },
    /^I6: four is gone and has 1/,
  ],
  ["a claim is nobody's", { claims: [oneClaim, { gitspace: "x", vm: "v" }] }, /^I3: claims of nobody are left: x/],
  ["the home is lost", { homes: [] }, /^I3: the home of one is in undefined/],
  [
    "the home is in another VM",
    { homes: [{ id: "one", attachedTo: "vm-warm" }] },
    /^I3: the home of one is in vm-warm/,
  ],
  [
    "the home of a stopped Gitspace is in a VM",
    {
      homes: [
        { id: "one", attachedTo: "vm-one" },
        { id: "two", attachedTo: "vm-one" },
      ],
    },
    /^I3: the home of two is still in a VM/,
  ],
  [
    "a deleted Gitspace has a home",
    { homes: [...whole.homes, { id: "four", attachedTo: null }] },
    /^I3: the home of four is left/,
  ],
  ["the pool is short of a VM", { vms: [oneVm] }, /^I4: 0 VMs stand ready/],
  [
    "the pool has a VM too many",
    { vms: [...whole.vms, { ...warmVm, id: "vm-too", slot: 3 }] },
    /^I4: 2 VMs stand ready/,
  ],
  ["the pool offers a claimed VM", { warm: ["vm-warm", "vm-one"] }, /^I1: the pool offers vm-warm, vm-one/],
  ["the pool does not offer what stands ready", { warm: [] }, /^I1: the pool offers ,/],
  ["a VM is not on record", { records: ["vm-one"] }, /^I3: on record are vm-one,/],
  ["a VM is on record that is not there", { records: ["vm-one", "vm-warm", "vm-was"] }, /^I3: on record are/],
  ["a VM takes no slot", { slots: ["vm-one"] }, /^I4: slots are taken by vm-one,/],
  ["a slot is taken by nothing", { slots: ["vm-one", "vm-warm", "vm-was"] }, /^I4: slots are taken by/],
  ["a folder is half removed", { halfRemoved: ["vm-was"] }, /^I3: the folders of vm-was are only half removed/],
  ["a volume is nobody's", { strays: ["the volume of vm-was"] }, /^I3: of nobody are left: the volume of vm-was/],
  ["a namespace is left", { namespaces: [1, 2, 3] }, /^I3: namespaces of slots 1, 2, 3/],
  ["an interface is left", { interfaces: [1, 2, 3] }, /^I3: interfaces of slots 1, 2, 3/],
  ["a process is left", { processes: [1, 2, 3] }, /^I3: processes in slots 1, 2, 3/],
  ["a VM has no process", { processes: [1] }, /^I3: processes in slots 1,/],
  ["a job is left", { jobs: 1 }, /^I8: 1 jobs are left/],
  ["a task is open", { tasks: [{ ...task, state: "acquired" }] }, /^I8: the task vm.provision of one is acquired/],
  ["a task has two answers", { tasks: [{ ...task, late: 1 }] }, /^I2: the task vm.provision of one had 2 different/],
];

test.each(broken)("I1 I2 I3 I4 I5 I6 I8: it is found that %s", (_, change, words) => {
  expect(violations({ ...whole, ...change }, expected, 1)).toContainEqual(expect.stringMatching(words));
});
