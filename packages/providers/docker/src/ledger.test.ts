import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { engineAt } from "./engine.ts";
import { historyIn, readRecords } from "./inventory.ts";
import { KEPT, entryOf, ledger, noHistory, withVolume } from "./ledger.ts";
import { namesOf, parseVolume } from "./names.ts";
import { removeAll, testEngineSocket, volumesOf } from "./testing/bench.ts";

const signal = () => AbortSignal.timeout(20_000);

function open() {
  const engine = engineAt(testEngineSocket());
  const names = namesOf(`test-${randomBytes(4).toString("hex")}`);
  onTestFinished(() => removeAll(engine, names));
  const historyOf = async () => historyIn(await readRecords(engine, names, signal()), "disk", "d");
  const write = (ifVersion: number, vm: string) =>
    ledger(engine, names, historyOf).write({ kind: "disk", id: "d", ifVersion, value: { vm }, key: "k" }, signal());
  return { engine, names, historyOf, write };
}

test("of many who change one version, one wins, and its value is there", async () => {
  const { historyOf, write } = open();
  const won = await Promise.all(Array.from({ length: 8 }, (_, index) => write(0, `vm-${index}`)));
  expect(won.filter((each) => each)).toHaveLength(1);
  expect(await historyOf()).toMatchObject({ newest: 1, latest: { labels: { vm: `vm-${won.indexOf(true)}` } } });
});

test("old versions are forgotten, and whoever slept meanwhile has lost although its version's name is free again", async () => {
  const { engine, names, historyOf, write } = open();
  for (let version = 0; version < KEPT + 3; version += 1) expect(await write(version, `vm-${version}`)).toBe(true);
  const entries = (await volumesOf(engine, names)).length;
  expect(entries).toBe(KEPT);
  expect(await write(0, "sleeper")).toBe(false);
  expect(await write(KEPT + 2, "late")).toBe(false);
  expect(await historyOf()).toMatchObject({ newest: KEPT + 3, latest: { labels: { vm: `vm-${KEPT + 2}` } } });
});

test("a version that an engine lost in a crash changed nothing, and the next one can be written", async () => {
  const { engine, names, historyOf, write } = open();
  await write(0, "vm-0");
  await engine.tell("POST", "/volumes/create", { body: { Name: names.entry("disk", "d", 2) }, signal: signal() });
  onTestFinished(() => engine.tell("DELETE", `/volumes/${names.entry("disk", "d", 2)}`, { signal: signal() }));
  expect(await historyOf()).toMatchObject({ newest: 2, latest: { version: 1, labels: { vm: "vm-0" } } });
  expect(await write(1, "vm-1")).toBe(false);
  expect(await write(2, "vm-2")).toBe(true);
  expect(await historyOf()).toMatchObject({ newest: 3, latest: { labels: { vm: "vm-2" } } });
});

test("an entry without our labels is none, and the order in which volumes are listed says nothing", () => {
  expect(entryOf(1, null)).toBeUndefined();
  expect(entryOf(1, { "gs-value": '{"vm":"a"}', "gs-key-of-call": "k" })).toEqual({
    version: 1,
    key: "k",
    labels: { vm: "a" },
  });
  const volumes = [3, 1, 2].map((version) => ({ version, key: "", labels: { vm: `vm-${version}` } }));
  const history = volumes.reduce((known, entry) => withVolume(known, entry.version, entry), noHistory);
  expect(history).toEqual({ newest: 3, oldest: 1, latest: volumes[0] });
});

test.each([
  ["gs.a.vm.default-1.v12", { what: "entry", kind: "vm", id: "default-1", version: 12 }],
  ["gs.a.vm.default-1.engine", { what: "engine", id: "default-1" }],
  ["gs.a.disk.home-1", { what: "disk", id: "home-1" }],
  ["gs.a.disk.home-1.v1", { what: "entry", kind: "disk", id: "home-1", version: 1 }],
  ["gs.a.gone.default-1", { what: "gone", id: "default-1" }],
  ["gs.a.images", undefined],
  ["gs.a.vm.default-1", undefined],
  ["gs.a.vm.default-1.v0", undefined],
  ["gs.ab.disk.home-1", undefined],
])("the volume %s is %j", (name, said) => {
  expect(parseVolume("gs.a.", name)).toEqual(said);
});
