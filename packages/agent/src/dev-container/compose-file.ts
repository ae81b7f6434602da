// Compose files of a repository, rendered to one that no longer depends on anything the repository could change meanwhile.
import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fail, type FailureError } from "@gitspaces/contracts";
import { parse } from "yaml";
import { type CheckedCompose, checkCompose, type ComposeFile } from "./compose-policy.ts";
import { orderServices } from "./compose-order.ts";
import { type Bounds, isInside } from "./policy.ts";

export type Rendering = {
  /** Absolute. */
  files: readonly string[];
  /** The service that becomes the dev container. */
  service: string;
  env: Record<string, string>;
  signal: AbortSignal;
};

const MOST_BYTES = 16 * 1024 * 1024;
const MOST_FILES = 100;
const FIELD = "dockerComposeFile";

/**
 * The Compose file that may be used. It runs no code of the repository; `docker-compose config` reads files only.
 * @throws {FailureError} `devcontainer_invalid` naming service, key and rule, or what Compose itself complains of.
 */
export async function renderCompose(
  { files, service, env, signal }: Rendering,
  bounds: Bounds,
): Promise<CheckedCompose> {
  // Paths in every one of the files count from where the first one stands.
  const folder = dirname(files[0] ?? "/");
  for (const file of files) checkReads(file, folder, bounds, new Set());
  const text = await composeConfig(files, env, signal);
  const checked = checkCompose(parse(text) as ComposeFile, bounds);
  const ordered = orderServices(checked.file);
  const broken = [...checked.broken, ...ordered.broken];
  const [first] = broken;
  const shown = files.map((file) => relative(bounds.workspace, file)).join(", ");
  if (first !== undefined) {
    const all = broken.map((each) => `${each.key} of ${each.service}: ${each.rule}`).join("; ");
    throw refusal(`${shown}: ${all}.`, `services.${first.service}.${first.key}`, { broken });
  }
  if (checked.file.services?.[service] === undefined)
    throw refusal(`${shown}: there is no service "${service}", which devcontainer.json names.`, "service");
  return { ...checked, file: ordered.file };
}

/** Writes it as JSON, which every Compose reads as YAML. */
export function writeCompose(file: string, content: ComposeFile): void {
  writeFileSync(file, JSON.stringify(content, undefined, 1), { mode: 0o600 });
}

/** What `config` of these files says, by whichever Compose there is. */
async function composeConfig(
  files: readonly string[],
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<string> {
  const args = [...files.flatMap((file) => ["-f", file]), "config"];
  const cwd = dirname(files[0] ?? "/");
  const ask = async (program: string, before: string[]) =>
    await new Promise<string | undefined>((done, refused) => {
      execFile(program, [...before, ...args], { cwd, env, signal, maxBuffer: MOST_BYTES }, (error, stdout, stderr) => {
        if (error === null) done(stdout);
        else if (signal.aborted) refused(signal.reason as Error);
        else if (error.code === "ENOENT") done(undefined);
        else refused(refusal(`Compose refuses it: ${stderr.trim().slice(0, 2_000) || error.message}.`, FIELD));
      });
    });
  const text = (await ask("docker-compose", [])) ?? (await ask("docker", ["compose"]));
  if (text === undefined) throw fail("internal", "There is neither docker-compose nor docker in this VM.");
  return text;
}

/** Rendering takes other files in; none of them may be the VM's. `base`: from where Compose counts the paths in this one. */
function checkReads(file: string, base: string, bounds: Bounds, seen: Set<string>): void {
  const visit = `${base}\0${file}`;
  if (seen.has(visit)) return;
  seen.add(visit);
  const shown = relative(bounds.workspace, file);
  // What is not looked at here would be read all the same.
  if (seen.size > MOST_FILES) throw refusal(`${shown}: more files are taken in than are looked at here.`, FIELD);
  const inside = (path: string, field: string) => {
    if (!isInside(path, bounds)) throw refusal(`${shown}: ${field}: ${path} is not a file of the repository.`, field);
  };
  inside(file, FIELD);
  const dotEnv = join(dirname(file), ".env");
  if (existsSync(dotEnv)) inside(dotEnv, ".env");
  const content = parseCompose(file, shown);
  if (movesPaths(content))
    throw refusal(`${shown}: include: its files should be in one folder, with no other project_directory.`, "include");
  for (const [field, name] of readsOf(content)) {
    if (name.includes("$")) throw refusal(`${shown}: ${field}: ${name} should be written without variables.`, field);
    const takesIn = field === "include" || field === "extends";
    if (takesIn && /:|^github\.com\//.test(name))
      throw refusal(`${shown}: ${field}: ${name} is not a file of the repository.`, field);
    for (const path of new Set([base, dirname(file)].map((folder) => resolve(folder, name)))) {
      // One that is not there is Compose's to complain of, unless it is somewhere else.
      if (bounds.resolve(path) !== undefined || !path.startsWith(`${bounds.workspace}/`)) inside(path, field);
      if (takesIn && existsSync(path)) checkReads(path, dirname(path), bounds, seen);
    }
  }
}

function parseCompose(file: string, shown: string): unknown {
  try {
    return parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw refusal(`${shown}: ${(error as Error).message.split("\n")[0]}`, FIELD);
  }
}

/** Every file that a Compose file names for reading, with the key that names it. */
function readsOf(content: unknown): [string, string][] {
  if (typeof content !== "object" || content === null) return [];
  return Object.entries(content as Record<string, unknown>).flatMap(([key, value]) => {
    if (/^(?:env_file|label_file|include)$/.test(key))
      return namesIn(value).map((name): [string, string] => [key, name]);
    if (key === "extends" && typeof value === "object" && value !== null && "file" in value)
      return [["extends", String(value.file)]];
    return readsOf(value);
  });
}

/** Whether paths in a file that is included count from another folder than its own. */
function movesPaths(content: unknown): boolean {
  if (typeof content !== "object" || content === null || !("include" in content)) return false;
  return [content.include].flat().some((each: unknown) => {
    if (typeof each !== "object" || each === null) return false;
    const folders = new Set(("path" in each ? namesIn(each.path) : []).map((path) => dirname(path)));
    return "project_directory" in each || folders.size > 1;
  });
}

function namesIn(value: unknown): string[] {
  return [value].flat().flatMap((each: unknown) => {
    if (typeof each === "string") return [each];
    if (typeof each !== "object" || each === null) return [];
    return Object.entries(each).flatMap(([key, inner]) => (/^(?:path|env_file)$/.test(key) ? namesIn(inner) : []));
  });
}

function refusal(message: string, field: string, details?: Record<string, unknown>): FailureError {
  return fail("devcontainer_invalid", `${message} Mend it in the repository, then start again.`, {
    field,
    ...(details === undefined ? {} : { details }),
  });
}
