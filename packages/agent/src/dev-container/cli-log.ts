// What the reference implementation says while it works: lines of JSON, made into lines for people and stages. Pure.

export type Said = { log?: string[]; stage?: Stage };
export type Stage =
  | { kind: "pull"; image: string }
  | { kind: "build" }
  | { kind: "create" }
  | { kind: "hook"; name: string; status: "running" | "succeeded" | "failed" };

type Entry = { type?: unknown; level?: unknown; text?: unknown; name?: unknown; status?: unknown };

/** From this level on it is for people; below are its own doings. */
const FOR_PEOPLE = 3;

/** How it ends when it fails: the same words come as its outcome. */
const OWN_STACK = /^(?:Error: |\s+at )/;

/** What one line says; a line that is no JSON is for people as it is. */
export function readCliLine(line: string): Said {
  let entry: Entry;
  try {
    entry = JSON.parse(line) as Entry;
  } catch {
    return OWN_STACK.test(line) ? {} : { log: linesOf(line) };
  }
  if (entry === null || typeof entry !== "object") return { log: linesOf(line) };
  const { type, level, text, name, status } = entry;
  if (type === "progress") return hookOf(String(name), status);
  if (typeof text !== "string") return {};
  if (type === "start") return stageOf(text);
  if (type === "stop" || typeof level !== "number" || level < FOR_PEOPLE) return {};
  return { log: linesOf(text) };
}

function hookOf(name: string, status: unknown): Said {
  const hook = /\b(\w+Command)\b/.exec(name)?.[1];
  if (hook === undefined || (status !== "running" && status !== "succeeded" && status !== "failed")) return {};
  return { stage: { kind: "hook", name: hook, status } };
}

function stageOf(text: string): Said {
  const run = /^Run: \S+ (.*)$/s.exec(text)?.[1];
  const pulled = /^pull (\S+)/.exec(run ?? "")?.[1];
  if (pulled !== undefined) return { stage: { kind: "pull", image: pulled } };
  if (run !== undefined && /^(?:buildx )?build /.test(run)) return { stage: { kind: "build" } };
  if (run !== undefined && / build(?: |$)/.test(run) && / -f /.test(` ${run}`)) return { stage: { kind: "build" } };
  if (text === "Starting container" || / up -d/.test(run ?? "")) return { stage: { kind: "create" } };
  return {};
}

/** Colours and cursor movements out; of a line that was written over, the last state; no empty lines. */
function linesOf(text: string): string[] {
  return text
    .replaceAll(/\u001B(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001B]*(?:\u0007|\u001B\\)|[@-Z\\-_])/g, "")
    .split(/\r*\n/)
    .map((line) => (line.split("\r").findLast((part) => part !== "") ?? "").trimEnd())
    .filter((line) => line !== "");
}

const PROGRESS_EVERY_MS = 500;

/** Lets lines through as they come, and those of a progress meter now and then. */
export function thinned(
  tell: (line: string) => void,
  now: () => number = () => performance.now(),
): (line: string) => void {
  let toldAt = Number.NEGATIVE_INFINITY;
  return (line) => {
    const progress = /\d(?:\.\d+)?\s?%|(?:Downloading|Extracting|Pushing)\s*\[|\d[kMG]?B\/\d/.test(line);
    if (progress && now() - toldAt < PROGRESS_EVERY_MS) return;
    if (progress) toldAt = now();
    tell(line);
  };
}
