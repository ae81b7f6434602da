// devcontainer.json: found, read as JSON with comments, and checked as far as it is used here.
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { fail, type FailureError } from "@gitspaces/contracts";
import { findNodeAtLocation, type ParseError, parse, parseTree, printParseErrorCode } from "jsonc-parser";
import { z } from "zod";

const One = z.union([z.string(), z.array(z.string()).min(1)]);
/** A text for a shell, a list for no shell, or named ones that run side by side. */
export const HookCommand = z.union([One, z.record(z.string(), One)]);
export type HookCommand = z.infer<typeof HookCommand>;

export const Devcontainer = z.looseObject({
  name: z.string().optional(),
  onCreateCommand: HookCommand.optional(),
  updateContentCommand: HookCommand.optional(),
  postCreateCommand: HookCommand.optional(),
  postStartCommand: HookCommand.optional(),
  containerEnv: z.record(z.string(), z.string()).optional(),
  remoteEnv: z.record(z.string(), z.string().nullable()).optional(),
  forwardPorts: z.array(z.union([z.int().min(1).max(65_535), z.string()])).optional(),
});
export type Devcontainer = z.infer<typeof Devcontainer>;
/** `path` is relative to the repository; `others` could have been chosen as well. */
export type FoundDevcontainer<T = Devcontainer> = { path: string; others: string[]; content: T };

const usualPlaces = [".devcontainer/devcontainer.json", ".devcontainer.json"] as const;
const MOST_BYTES = 1024 * 1024;

/** Every devcontainer.json at the usual places, relative to the repository, in the order in which they are preferred. */
export function listDevcontainers(repository: string): string[] {
  const folder = join(repository, ".devcontainer");
  const named = existsSync(folder) ? readdirSync(folder).toSorted() : [];
  const places = [...usualPlaces, ...named.map((name) => `.devcontainer/${name}/devcontainer.json`)];
  return places.filter((place) => existsSync(join(repository, place)));
}

/**
 * The repository's devcontainer.json, or nothing when it has none. Of several the first at the usual places is taken.
 * A chosen path may name the folder that holds one.
 * @throws {FailureError} `devcontainer_invalid` with line and column, or `bad_request` for a path that leads nowhere or outside.
 */
export function readDevcontainer(repository: string, chosen: string | undefined): FoundDevcontainer | undefined;
export function readDevcontainer<S extends z.ZodType>(
  repository: string,
  chosen: string | undefined,
  schema: S,
): FoundDevcontainer<z.infer<S>> | undefined;
export function readDevcontainer(
  repository: string,
  chosen: string | undefined,
  schema: z.ZodType = Devcontainer,
): FoundDevcontainer<unknown> | undefined {
  const all = listDevcontainers(repository);
  const path = chosen === undefined ? all[0] : inFolder(repository, chosen);
  if (path === undefined) return undefined;
  const file = insideOf(repository, path);
  const size = statSync(file, { throwIfNoEntry: false });
  if (size?.isFile() !== true) throw wrongPath(path, "is not a file of the repository");
  if (size.size > MOST_BYTES) throw fail("devcontainer_invalid", `${path} is larger than ${MOST_BYTES} bytes.`);
  const text = readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  return { path, others: all.filter((each) => each !== path), content: parseDevcontainer(text, path, schema) };
}

function inFolder(repository: string, chosen: string): string {
  if (basename(chosen).endsWith(".json")) return chosen;
  const within = [join(chosen, "devcontainer.json"), join(chosen, ".devcontainer/devcontainer.json")];
  return within.find((path) => existsSync(join(repository, path))) ?? chosen;
}

/** A path of the repository that is there and does not lead out of it, not by a symbolic link either. */
function insideOf(repository: string, path: string): string {
  const root = realpathSync(repository);
  let file: string;
  try {
    file = realpathSync(resolve(root, path));
  } catch {
    throw wrongPath(path, "is not a file of the repository");
  }
  if (path.startsWith("/") || relative(root, file).startsWith(".."))
    throw wrongPath(path, "leads out of the repository");
  return file;
}

function wrongPath(path: string, what: string): FailureError {
  return fail("bad_request", `The devcontainer path ${path} ${what}.`, { field: "devcontainerPath" });
}

/** Reads the text of a devcontainer.json. @throws {FailureError} `devcontainer_invalid` with line and column. */
export function parseDevcontainer(text: string, path: string): Devcontainer;
export function parseDevcontainer<S extends z.ZodType>(text: string, path: string, schema: S): z.infer<S>;
export function parseDevcontainer(text: string, path: string, schema: z.ZodType = Devcontainer): unknown {
  const errors: ParseError[] = [];
  const options = { allowTrailingComma: true };
  const value: unknown = parse(text, errors, options);
  const [first] = errors;
  if (first !== undefined) throw invalid(text, path, first.offset, wordsFor(printParseErrorCode(first.error)));
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  const at = (issue?.path ?? []).map((part) => (typeof part === "symbol" ? String(part) : part));
  const tree = parseTree(text, [], options);
  const node = tree === undefined ? undefined : findNodeAtLocation(tree, at);
  const field = at.join(".");
  const what = field === "" ? "it should be an object" : `${field} is not what it should be`;
  throw invalid(text, path, node?.offset ?? 0, what, field);
}

/** `PropertyNameExpected` → `property name expected`. */
function wordsFor(code: string): string {
  return code.replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
}

function invalid(text: string, path: string, offset: number, what: string, field = ""): FailureError {
  const before = text.slice(0, offset).split("\n");
  const line = before.length;
  const column = (before.at(-1)?.length ?? 0) + 1;
  return fail(
    "devcontainer_invalid",
    `${path}:${line}:${column}: ${what}. Mend it in the repository, then start again.`,
    {
      ...(field === "" ? {} : { field }),
      details: { line, column },
    },
  );
}
