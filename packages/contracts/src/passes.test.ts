import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isBelow, narrowed, type Pass, type Scope } from "./pass.ts";
import { makePass, narrowPass, readPass } from "./passes.ts";

const year = 4_000_000_000_000;

function made(changes: Partial<Pass> = {}): { text: string; pass: Pass } {
  const { id, text, key } = makePass(changes.kind ?? "link");
  return { text, pass: { id, kind: "link", key, ports: [3000], path: "/", expiresAt: year, ...changes } };
}

test("a pass is read against what is kept of it, and against nothing else", () => {
  const { text, pass } = made();
  expect(readPass(text, pass)).toEqual({ expiresAt: year, path: "/" });
  expect(readPass(text, { ...pass, id: "aaaaaaaaaaaa" })).toBeUndefined();
  expect(readPass(text, { ...pass, kind: "token" })).toBeUndefined();
  expect(readPass(text, { ...pass, key: made().pass.key })).toBeUndefined();
  expect(JSON.stringify(pass)).not.toContain(text.split(".").at(-1));
});

const paths = fc.constantFrom("/", "/docs", "/docs/", "/docs/a", "/docs/a/b", "/other", "/docsx");
const methods = fc.uniqueArray(fc.constantFrom("GET", "HEAD", "POST", "UPGRADE"), { minLength: 1 });
const narrowings = fc.array(
  fc.record(
    { expiresAt: fc.integer({ min: year - 1_000, max: year + 1_000 }), path: paths, methods },
    { requiredKeys: [] },
  ),
  { maxLength: 6 },
);
const opens = (scope: Scope | undefined, path: string, method: string, at: number): boolean =>
  scope !== undefined && at < scope.expiresAt && isBelow(path, scope.path) && (scope.methods?.includes(method) ?? true);

test("a holder narrows and never widens: whatever a derived pass opens, the one before opens too", () => {
  const asked = fc.record({ path: paths, method: methods, at: fc.integer({ min: year - 1_500, max: year + 1_500 }) });
  fc.assert(
    fc.property(narrowings, fc.array(asked, { minLength: 5 }), paths, (steps, questions, path) => {
      const { text, pass } = made({ path });
      let held = text;
      for (const step of steps) {
        const next = narrowPass(held, step);
        for (const { path: at, method, at: when } of questions) {
          const [wide, narrow] = [readPass(held, pass), readPass(next, pass)];
          const asks = [at, method[0] ?? "", when] as const;
          expect(opens(narrow, ...asks) && !opens(wide, ...asks)).toBe(false);
        }
        held = next;
      }
      const all = steps.reduce<Scope | undefined>((scope, step) => scope && narrowed(scope, step), { ...pass });
      const read = readPass(held, pass);
      expect([read?.path, read?.expiresAt, read?.methods]).toEqual([all?.path, all?.expiresAt, all?.methods]);
    }),
    { numRuns: 100 },
  );
});

test("T4: any one changed bit of a pass, narrowed or not, makes it none", () => {
  fc.assert(
    fc.property(narrowings, fc.nat(), fc.integer({ min: 0, max: 7 }), (steps, place, bit) => {
      const { text, pass } = made();
      const held = steps.reduce<string>((before, step) => narrowPass(before, step), text);
      const changed = Buffer.from(held);
      const at = place % changed.length;
      changed[at] = (changed[at] ?? 0) ^ (1 << bit);
      expect(readPass(changed.toString("latin1"), pass)).toBeUndefined();
    }),
    { numRuns: 400 },
  );
});

test("T4: every single character of a pass matters, whatever it is replaced with", () => {
  const { text, pass } = made();
  const held = narrowPass(text, { path: "/docs" });
  for (let at = 0; at < held.length; at++) {
    for (const other of ["A", "b", "0", "_", ".", "=", ""]) {
      if (held[at] === other) continue;
      expect([at, other, readPass(held.slice(0, at) + other + held.slice(at + 1), pass)]).toEqual([
        at,
        other,
        undefined,
      ]);
    }
  }
});

test("a block can not be taken away, put elsewhere, or come from another pass", () => {
  const { text, pass } = made();
  const other = narrowPass(made().text, { path: "/docs" }).split(".");
  const once = narrowPass(text, { path: "/docs" });
  const twice = narrowPass(once, { methods: ["GET"] }).split(".");
  const [head = "", one = "", mark = "", two = "", second = "", seed = ""] = twice;
  const tried = [
    [head, one, mark, seed],
    [head, two, second, seed],
    [head, seed],
    [head, two, second, one, mark, seed],
    [head, one, mark, two, second, once.split(".").at(-1) ?? ""],
    [head, ...other.slice(1)],
  ];
  expect(readPass(twice.join("."), pass)).toMatchObject({ path: "/docs", methods: ["GET"] });
  for (const parts of tried) expect(readPass(parts.join("."), pass)).toBeUndefined();
});

test("what is no pass is not narrowed, and none is narrowed without end", () => {
  expect(() => narrowPass("gsl_x", {})).toThrow(/not a pass/);
  let { text } = made();
  for (let times = 0; times < 8; times++) text = narrowPass(text, {});
  expect(() => narrowPass(text, {})).toThrow(/8 times/);
});

test.each([
  ["/docs", "/docs", true],
  ["/docs/a", "/docs", true],
  ["/docs/", "/docs", true],
  ["/docsx", "/docs", false],
  ["/", "/docs", false],
  ["/docs", "/docs/", false],
  ["/Docs", "/docs", false],
])("%s is below %s: %s", (path, prefix, is) => {
  expect(isBelow(path, prefix)).toBe(is);
});
