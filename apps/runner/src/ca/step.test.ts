import { expect, test } from "vitest";
import type { CaRecord } from "./record.ts";
import { deadline, type Member, nextStep, type Situation, waitedFor } from "./step.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;
const LIFE_MS = 7 * DAY_MS;
const now = 1_800_000_000_000;

const authority = (name: string) => ({ certificate: name, link: null, key: `${name}.key.pem` });
const passing = (name: string) => ({ ...authority(name), since: now - DAY_MS, until: now + DAY_MS });
const record = (more: Partial<CaRecord> = {}): CaRecord => ({
  number: 3,
  present: authority("a"),
  next: null,
  retiring: null,
  former: [],
  ...more,
});
const member = (more: Partial<Member> = {}): Member => ({
  name: "gateway/east",
  issuer: "a",
  trusted: ["a", "b"],
  at: now - DAY_MS / 2,
  until: now + DAY_MS,
  ...more,
});
const situation = (more: Partial<Situation> = {}): Situation => ({
  record: record(),
  fingerprints: { present: "a", next: "b" },
  now,
  lifeMs: LIFE_MS,
  endsAt: now + 5 * 365 * DAY_MS,
  isAskedFor: false,
  members: { isWhole: true, present: [] },
  ...more,
});
const announced = (present: Member[], isWhole = true) =>
  situation({ record: record({ next: passing("b") }), members: { isWhole, present } });
const retiring = (present: Member[], isWhole = true) =>
  situation({
    record: record({ present: authority("b"), retiring: passing("a") }),
    fingerprints: { present: "b", retiring: "a" },
    members: { isWhole, present },
  });

test("nothing is done unasked, but an authority in its last year is replaced", () => {
  expect(nextStep(situation())).toBeUndefined();
  expect(nextStep(situation({ isAskedFor: true }))).toBe("announce");
  expect(nextStep(situation({ endsAt: now + 364 * DAY_MS }))).toBe("announce");
});

test("no rotation begins while one is going on, however often it is asked for", () => {
  const one = member({ trusted: ["a"], issuer: "a" });
  expect(nextStep({ ...announced([one]), isAskedFor: true })).toBeUndefined();
  expect(nextStep({ ...retiring([one]), isAskedFor: true })).toBeUndefined();
});

test("the next authority issues once everybody trusts it, not while one does not", () => {
  expect(nextStep(announced([member(), member({ name: "vm/one" })]))).toBe("switch");
  expect(nextStep(announced([member(), member({ name: "vm/one", trusted: ["a"] })]))).toBeUndefined();
});

test("the last authority is trusted until nobody uses what it issued", () => {
  expect(nextStep(retiring([member({ issuer: "b" })]))).toBe("drop");
  expect(nextStep(retiring([member({ issuer: "b" }), member({ name: "vm/one", issuer: "a" })]))).toBeUndefined();
});

test("an answer may be lost on its way: it counts a hundredth of a life later", () => {
  const late = member({ at: now - LIFE_MS / 100 + 1 });
  expect(waitedFor(announced([late])).map(({ name }) => name)).toEqual(["gateway/east"]);
  expect(nextStep(announced([late]))).toBeUndefined();
  expect(nextStep(announced([{ ...late, at: now - LIFE_MS / 100 }]))).toBe("switch");
  expect(nextStep(retiring([{ ...late, issuer: "b" }]))).toBeUndefined();
});

test("who has no valid certificate is not waited for", () => {
  expect(nextStep(announced([member({ trusted: ["a"], until: now })]))).toBe("switch");
});

test("while some may be unknown the deadline is waited for, and nobody for longer than that", () => {
  for (const each of [announced([], false), retiring([], false)]) expect(nextStep(each)).toBeUndefined();
  const silent = member({ trusted: ["a"], issuer: "a", until: now + 9 * DAY_MS });
  expect(nextStep({ ...announced([silent], false), now: now + DAY_MS })).toBe("switch");
  expect(nextStep({ ...retiring([silent], false), now: now + DAY_MS })).toBe("drop");
});

test("the deadline is after the end of every certificate there is, also of one that was given for longer", () => {
  const whole = { isWhole: true, present: [member({ until: now + 30 * DAY_MS })] };
  expect(deadline(now, LIFE_MS, { isWhole: true, present: [] })).toBe(now + LIFE_MS + 3_600_000);
  expect(deadline(now, LIFE_MS, whole)).toBe(now + 30 * DAY_MS + 3_600_000);
  expect(deadline(now, 10_000, { isWhole: false, present: [] })).toBe(now + 11_000);
});
