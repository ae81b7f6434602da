import { expect, expectTypeOf, test } from "vitest";
import { claim, isWarm, mayFollow, nextPower, type Owner, type Vm, type WarmVm } from "./vm.ts";

const base = { id: "default-a", pool: "default", createdAt: 1 };
const reach = { address: "127.0.0.1", port: 8083, keyFingerprint: "k" };
const owner: Owner = { gitspaceId: "hello-k3v9x2", generation: 3, taskId: "0190a0a0-0000-7000-8000-000000000000" };
const warmVm: WarmVm = { ...base, owner: null, power: "running", agent: "ready", ...reach };

test("a claimed VM is never warm again, whatever its power", () => {
  expect(isWarm(warmVm)).toBe(true);
  expect(isWarm(claim(warmVm, owner))).toBe(false);
  expect(isWarm({ ...base, owner, power: "suspended", ...reach })).toBe(false);
});

test("only a ready or sleeping VM without owner is warm", () => {
  const others: Vm[] = [
    { ...base, owner: null, power: "making" },
    { ...base, owner: null, power: "running", agent: "starting" },
    { ...base, owner: null, power: "running", agent: "failed", reason: "no IDE" },
    { ...base, owner: null, power: "deleting" },
  ];
  expect(others.map(isWarm)).toEqual([false, false, false, false]);
  expect(isWarm({ ...base, owner: null, power: "suspended", ...reach })).toBe(true);
});

test("nonsense does not compile: an address while being made, a claim of an owned VM", () => {
  expectTypeOf<{ id: string; pool: string; createdAt: number; owner: null; power: "running" }>().not.toExtend<Vm>();
  expectTypeOf<Vm & { owner: Owner }>().not.toExtend<WarmVm>();
  expectTypeOf<Vm & { power: "making" }>().not.toExtend<WarmVm>();
});

test("what is gone stays gone, what is being deleted only goes", () => {
  expect(nextPower.gone).toEqual([]);
  expect(mayFollow("deleting", "running")).toBe(false);
  expect(mayFollow("deleting", "gone")).toBe(true);
});

test("a VM is suspended and resumed through the states between", () => {
  expect(mayFollow("running", "suspended")).toBe(false);
  expect(mayFollow("running", "suspending")).toBe(true);
  expect(mayFollow("suspended", "running")).toBe(false);
  expect(mayFollow("resuming", "running")).toBe(true);
});
