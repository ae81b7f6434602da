// Nothing is written, and nothing on the way of an action handed out, without a failpoint behind it: read from the source.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseAst } from "vitest/node";
import { afterStep, failpointNames, placedNames, rareFailpointNames, stepNames } from "./failpoints.ts";

type Node = { type: string; [key: string]: unknown };
type Call = { file: string; callee: string; first: unknown };

const files = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" }).filter(
  (name) => name.endsWith(".ts") && !name.endsWith(".test.ts") && !name.startsWith("testing"),
);
const calls = files.flatMap((file): Call[] => {
  const found: Call[] = [];
  visit(parseAst(readFileSync(join(import.meta.dirname, file), "utf8"), { lang: "ts" }), (node) => {
    if (node.type !== "CallExpression") return;
    const callee = node["callee"] as Node;
    const name = callee.type === "MemberExpression" ? (callee["property"] as Node)["name"] : callee["name"];
    found.push({ file, callee: String(name), first: (node["arguments"] as Node[])[0]?.["value"] });
  });
  return found;
});

function visit(node: unknown, look: (node: Node) => void): void {
  if (Array.isArray(node)) for (const each of node) visit(each, look);
  else if (node !== null && typeof node === "object") {
    if (typeof (node as Node).type === "string") look(node as Node);
    for (const value of Object.values(node)) visit(value, look);
  }
}

test("I2 E1: every transaction is a step, and every step names its own failpoint", () => {
  const steps = calls.filter(({ callee }) => callee === "step");
  expect(steps.filter(({ first }) => !stepNames.some((name) => name === first))).toEqual([]);
  expect(new Set(steps.map(({ first }) => first))).toEqual(new Set(stepNames));
  expect(calls.filter(({ callee }) => callee === "transaction").map(({ file }) => file)).toEqual(["store/store.ts"]);
});

test("I2 E1: a step's name means one place, so that a failpoint does too", () => {
  const places = (name: string) => calls.filter(({ callee, first }) => callee === "step" && first === name).length;
  expect(stepNames.filter((name) => places(name) !== 1)).toEqual([]);
});

test("I2 E1: every failpoint stands where it is named", () => {
  const placed = calls.filter(({ callee, first }) => callee === "failpoint" && first !== undefined);
  expect(new Set(placed.map(({ first }) => first))).toEqual(new Set(placedNames));
  expect(placed).toHaveLength(placedNames.length);
  const all = [...failpointNames, ...rareFailpointNames];
  expect(new Set(all).size).toBe(all.length);
  expect(all).toEqual(expect.arrayContaining(["control-plane.afterAccept", afterStep("Timeout")]));
});
