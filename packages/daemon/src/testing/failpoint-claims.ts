// Reads the source on the way of a task and tells which awaited call, or named effect, has neither a failpoint nor a reason.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAst } from "vitest/node";

/** File → call as written, without its arguments → the name of its failpoint, or the sentence why it needs none. */
export type Reasons = Record<string, Record<string, string>>;
export type FailpointClaims = {
  daemon: string;
  folder: string;
  names: readonly string[];
  reasons: Reasons;
  /** Effects that are not awaited, by the end of their name: `writeDurably`, `journal.add`. */
  effects: readonly string[];
};
type Node = { type: string; [key: string]: unknown };

/** What is wrong with the failpoints of a daemon, a sentence each; nothing when every effect on the way has its own. */
export function failpointComplaints({ daemon, folder, names, reasons, effects }: FailpointClaims): string[] {
  const isPoint = (text: string) => text.startsWith(`${daemon}.`);
  const complaints = Object.entries(reasons).flatMap(([file, told]) => {
    const found = callsOf(readFileSync(join(folder, file), "utf8"), effects);
    return [
      ...found.filter((call) => told[call] === undefined).map((call) => `${file}: ${call} has no failpoint`),
      ...Object.keys(told).flatMap((call) => (found.includes(call) ? [] : [`${file}: there is no ${call} any more`])),
      ...Object.values(told)
        .filter((text) => (isPoint(text) ? !names.includes(text) : !text.includes(" ")))
        .map((text) => `${file}: ${text} is neither the name of a failpoint nor a reason`),
    ];
  });
  const placed = new Set(sources(folder).flatMap((text) => placesOf(text, daemon)));
  return [...complaints, ...names.filter((name) => !placed.has(name)).map((name) => `${name} is nowhere`)];
}

function sources(folder: string): string[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  return files.map((name) => readFileSync(join(folder, name), "utf8"));
}

function parsed(text: string): Node {
  return parseAst(text, { lang: "ts" }) as unknown as Node;
}

/** Every awaited expression and every call of an effect, once. */
function callsOf(text: string, effects: readonly string[]): string[] {
  const found = new Set<string>();
  visit(parsed(text), (node) => {
    if (node.type === "AwaitExpression") found.add(named(node["argument"] as Node));
    if (node.type === "ForOfStatement" && node["await"] === true) found.add(named(node["right"] as Node));
    if (node.type !== "CallExpression") return;
    const name = named(node);
    if (effects.some((effect) => `.${name}`.endsWith(`.${effect}`))) found.add(name);
  });
  return [...found];
}

/** The points of a file: those passed in place, and those around the methods of a port. */
function placesOf(text: string, daemon: string): string[] {
  const found: string[] = [];
  visit(parsed(text), (node) => {
    if (node.type !== "CallExpression") return;
    const [first, , third] = node["arguments"] as Node[];
    visit(node["arguments"], ({ type, value }) => {
      if (type === "Literal" && String(value).startsWith(`${daemon}.`)) found.push(String(value));
    });
    if (named(node) !== "withFailpoints" || first?.["value"] !== daemon || third === undefined) return;
    for (const { value } of third["properties"] as { value: Node }[]) {
      found.push(`${daemon}.before${String(value["value"])}`, `${daemon}.after${String(value["value"])}`);
    }
  });
  return found;
}

function visit(node: unknown, look: (node: Node) => void): void {
  if (Array.isArray(node)) for (const each of node) visit(each, look);
  else if (node !== null && typeof node === "object") {
    if (typeof (node as Node).type === "string") look(node as Node);
    for (const value of Object.values(node)) visit(value, look);
  }
}

/** `this.#desk.journal.add(task)` → `desk.journal.add`. */
function named(node: Node): string {
  const part = (key: string) => named(node[key] as Node);
  switch (node.type) {
    case "Identifier":
    case "PrivateIdentifier":
      return String(node["name"]);
    case "MemberExpression":
      return (node["object"] as Node).type === "ThisExpression"
        ? part("property")
        : `${part("object")}.${part("property")}`;
    case "CallExpression":
      return part("callee");
    case "NewExpression":
      return `new ${part("callee")}`;
    case "ChainExpression":
    case "TSAsExpression":
    case "ParenthesizedExpression":
      return part("expression");
    default:
      return node.type;
  }
}
