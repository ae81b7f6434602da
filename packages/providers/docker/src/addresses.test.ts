import { expect, test } from "vitest";
import { pickAddress } from "./addresses.ts";

test("an address is of the subnet, above the engine's part, and the same for the same VM", () => {
  for (let vm = 0; vm < 200; vm += 1) {
    const address = pickAddress("172.20.0.0/16", `vm-${vm}`, new Set(), 0);
    const [a, b, c, d] = (address ?? "").split(".").map(Number);
    expect([a, b]).toEqual([172, 20]);
    expect(c).toBeGreaterThanOrEqual(32);
    expect(`${c}.${d}`).not.toBe("255.255");
    expect(pickAddress("172.20.0.0/16", `vm-${vm}`, new Set(), 0)).toBe(address);
  }
});

test("no address is given twice, until there is none left", () => {
  const taken = new Set<string>();
  for (let vm = 0; vm < 11; vm += 1) {
    const address = pickAddress("10.0.0.16/28", `vm-${vm}`, taken, 0);
    expect(address).toMatch(/^10\.0\.0\.(2[0-9]|30)$/);
    expect(taken).not.toContain(address);
    taken.add(address ?? "");
  }
  expect(pickAddress("10.0.0.16/28", "vm-11", taken, 0)).toBeUndefined();
});

test("whoever was too late tries another one", () => {
  expect(pickAddress("172.20.0.0/16", "vm-1", new Set(), 1)).not.toBe(
    pickAddress("172.20.0.0/16", "vm-1", new Set(), 0),
  );
});
