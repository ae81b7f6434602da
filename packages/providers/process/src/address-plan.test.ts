import { expect, test } from "vitest";
import { addressesOf, hostAddress, lastSlot, networkNumber, nextSlot } from "./address-plan.ts";

test.each([
  [1, { name: "gsv201-1", host: "10.201.0.5", vm: "10.201.0.6", uid: 3_493_185 }],
  [63, { name: "gsv201-63", host: "10.201.0.253", vm: "10.201.0.254", uid: 3_493_247 }],
  [64, { name: "gsv201-64", host: "10.201.1.1", vm: "10.201.1.2", uid: 3_493_248 }],
  [lastSlot, { name: "gsv201-16382", host: "10.201.255.249", vm: "10.201.255.250", uid: 3_509_566 }],
])("slot %i has addresses, a name and a user of its own", (slot, expected) => {
  expect(addressesOf("10.201.0.0/16", slot)).toEqual(expected);
});

test("interface names fit into the kernel's 15 characters, and networks do not share users", () => {
  expect(addressesOf("10.239.0.0/16", lastSlot).name.length).toBeLessThanOrEqual(15);
  expect(addressesOf("10.201.0.0/16", lastSlot).uid).toBeLessThan(addressesOf("10.202.0.0/16", 1).uid);
});

test("a slot rests: the next one is taken before one that was just let go", () => {
  expect(nextSlot(0, new Set())).toBe(1);
  expect(nextSlot(1, new Set())).toBe(2);
  expect(nextSlot(1, new Set([2, 3]))).toBe(4);
  expect(nextSlot(lastSlot, new Set())).toBe(1);
  expect(nextSlot(lastSlot, new Set([1]))).toBe(2);
});

test("when every slot is taken there is no capacity", () => {
  const all = new Set(Array.from({ length: lastSlot }, (_, index) => index + 1));
  expect(() => nextSlot(5, all)).toThrow("Every address");
});

test.each(["10.201.0.0/24", "192.168.0.0/16", "10.300.0.0/16", "10.201.1.0/16", ""])(
  "%s is no VM network",
  (network) => {
    expect(() => networkNumber(network)).toThrow("10.201.0.0/16");
  },
);

test("the host answers at the first address", () => {
  expect(hostAddress("10.201.0.0/16")).toBe("10.201.0.1");
});
