import { expect, test } from "vitest";
import type { Box, Records } from "./inventory.ts";
import { noHistory } from "./ledger.ts";
import { leftoversOf } from "./tidying.ts";

const now = 1_000_000_000;
const minute = 60_000;
const day = 24 * 60 * minute;
const box = (id: string): Box => ({ id, container: id, state: "running", address: null, labels: {}, createdAt: now });
const records = (more: Partial<Records>): Records => ({
  disks: new Map(),
  histories: new Map(),
  gone: new Map(),
  engines: new Map(),
  ...more,
});
const nothing = { unfinished: [], engines: [], labels: [], forgotten: [] };

test("a removal that was cut short is finished, one that has just begun is left to whoever does it", () => {
  const gone = new Map([
    ["old", now - 2 * minute],
    ["new", now - minute / 2],
  ]);
  expect(leftoversOf(records({ gone }), [box("old"), box("new")], now)).toEqual({ ...nothing, unfinished: ["old"] });
});

test("what a VM had goes when its container is gone; a VM that is being made keeps it", () => {
  const engines = new Map([
    ["orphan", now - 11 * minute],
    ["being-made", now - minute],
    ["there", now - day],
  ]);
  const histories = new Map([
    ["vm/orphan", noHistory],
    ["vm/there", noHistory],
    ["disk/home-1", noHistory],
  ]);
  expect(leftoversOf(records({ engines, histories }), [box("there")], now)).toEqual({
    ...nothing,
    engines: ["orphan"],
    labels: ["orphan"],
  });
});

test("a used id is forgotten after days and not while its container is there", () => {
  const gone = new Map([
    ["long-ago", now - 4 * day],
    ["yesterday", now - day],
    ["stuck", now - 4 * day],
  ]);
  expect(leftoversOf(records({ gone }), [box("stuck")], now)).toEqual({
    ...nothing,
    unfinished: ["stuck"],
    forgotten: ["long-ago"],
  });
});
