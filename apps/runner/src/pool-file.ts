// pool.yml, read strictly: every mistake at once, each with its line and the nearest right word.
import { readFileSync } from "node:fs";
import {
  DockerSpec,
  FailureError,
  fail,
  PoolFile,
  PoolInstance,
  type PoolSpec,
  type Preload,
  ProcessSpec,
} from "@gitspaces/contracts";
import { closest, distance } from "fastest-levenshtein";
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import { z } from "zod";

const DEFAULT_WARM = 0;
/** As the existing product has it when nothing is said. */
const DEFAULT_MAX = 100;

/** The pools of a file, all of the provider's type where one is named. @throws {FailureError} `bad_request` whose message lists every mistake with its line. */
export function readPoolFile(file: string, provider?: PoolSpec["type"]): PoolSpec[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "does not exist" : (cause as Error).message;
    throw fail("bad_request", `The pool file ${file} ${reason}. GITSPACES_POOL_FILE should name a readable pool.yml.`, {
      field: "poolFile",
      cause,
    });
  }
  return parsePools(text, file, provider);
}

/** The pools in the text of a pool.yml; `file` is for messages. @throws {FailureError} `bad_request`, as `readPoolFile`. */
export function parsePools(text: string, file: string, provider?: PoolSpec["type"]): PoolSpec[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const broken = document.errors.map(
    ({ pos, message }) => `line ${lines.linePos(pos[0]).line}: ${message.split("\n", 1)[0] ?? ""}`,
  );
  if (broken.length > 0) throw wrong(file, broken);

  const parsed = PoolFile.safeParse(document.toJS());
  if (!parsed.success)
    throw wrong(
      file,
      parsed.error.issues.flatMap((issue) => explain(issue, document, lines)),
    );
  const { pools, mistakes } = compile(parsed.data, document, lines, provider);
  if (mistakes.length > 0) throw wrong(file, mistakes);
  return pools;
}

function wrong(file: string, mistakes: string[]): FailureError {
  return fail("bad_request", `${file} is wrong:\n${mistakes.map((mistake) => `  ${mistake}`).join("\n")}`, {
    field: "poolFile",
  });
}

function compile(
  file: PoolFile,
  document: Document,
  lines: LineCounter,
  provider: PoolSpec["type"] | undefined,
): { pools: PoolSpec[]; mistakes: string[] } {
  const mistakes: string[] = [];
  const note = (path: PropertyKey[], message: string) =>
    mistakes.push(`line ${lineOf(path, document, lines)}: ${z.core.toDotPath(path)}: ${message}`);
  const pools = file.instances.map((instance, index): PoolSpec => {
    const warm = instance.warm ?? instance.pool ?? DEFAULT_WARM;
    // A limit of 0 is "no limit given" in files of the existing product.
    const max = instance.max ?? (instance.limit || DEFAULT_MAX);
    if (warm > max)
      note(["instances", index], `keeps ${warm} warm but allows only ${max} in all; raise "max" or lower "warm"`);
    if (provider !== undefined && instance.type !== provider)
      note(
        ["instances", index, "type"],
        `is "${instance.type}", but this runner's VMs are of the provider "${provider}"; write "${provider}", or start the runner with GITSPACES_PROVIDER=${instance.type}`,
      );
    if (file.instances.findIndex(({ name }) => name === instance.name) < index)
      note(["instances", index, "name"], `"${instance.name}" is the name of an earlier pool; names are unique`);
    return {
      name: instance.name,
      warm,
      max,
      isDefault: instance.default ?? false,
      ...kindOf(instance),
    };
  });
  const defaults = pools.filter(({ isDefault }) => isDefault);
  if (defaults.length > 1)
    note(["instances"], `only one pool can be the default, and ${defaults.map(({ name }) => name).join(", ")} are`);
  const [first] = pools;
  return {
    pools: defaults.length === 0 && first !== undefined ? [{ ...first, isDefault: true }, ...pools.slice(1)] : pools,
    mistakes,
  };
}

function kindOf(instance: PoolInstance): Pick<PoolSpec, "type" | "image" | "machine" | "preload"> {
  if (instance.type === "process") return { type: "process", image: instance.spec?.image ?? "default" };
  const { image, machine, preload } = instance.spec ?? DockerSpec.parse({});
  const { cpus, memory_mb: memoryMb, pids } = machine;
  return { type: "docker", image, machine: { cpus, memoryMb, pids }, preload: preloadOf(preload) };
}

function preloadOf({ images, repository }: z.infer<typeof DockerSpec>["preload"]): Preload {
  if (repository === undefined) return { images };
  const { url, branch, organisation, devcontainer_path: path, refresh_minutes: minutes, credential_file } = repository;
  return {
    images,
    repository: {
      url,
      ...(branch === undefined ? {} : { branch }),
      ...(path === undefined ? {} : { devcontainerPath: path }),
      organisation,
      refreshMs: minutes * 60_000,
      ...(credential_file === undefined ? {} : { credentialFile: credential_file }),
    },
  };
}

function explain(issue: z.core.$ZodIssue, document: Document, lines: LineCounter): string[] {
  const at = (path: PropertyKey[]) =>
    `line ${lineOf(path, document, lines)}: ${path.length === 0 ? "" : `${z.core.toDotPath(path)}: `}`;
  if (issue.code !== "unrecognized_keys") return [`${at(issue.path)}${issue.message}`];
  return issue.keys.map((key) => {
    const near = nearest(key, keysAt(issue.path));
    return `${at([...issue.path, key])}there is no such key${near === undefined ? "" : `; did you mean "${near}"?`}`;
  });
}

/** The keys that are right where a wrong one was found, read from the schemas themselves. */
function keysAt(path: PropertyKey[]): string[] {
  if (path.length === 0) return Object.keys(PoolFile.shape);
  const instance = PoolInstance.options[0].shape;
  if (path.length === 2) return Object.keys(instance);
  if (path[2] === "platform") return Object.keys(instance.platform.unwrap().shape);
  return Object.keys({ ...ProcessSpec.shape, ...DockerSpec.shape });
}

function nearest(key: string, right: string[]): string | undefined {
  const near = closest(key, right);
  return distance(key, near) <= Math.max(2, Math.floor(near.length / 2)) ? near : undefined;
}

/** The line of the deepest part of the path that exists; for a key of a mapping, the key's own. */
function lineOf(path: PropertyKey[], document: Document, lines: LineCounter): number {
  for (let length = path.length; length >= 0; length--) {
    const position = keyPosition(path.slice(0, length), document);
    if (position !== undefined) return lines.linePos(position).line;
  }
  return 1;
}

function keyPosition(path: PropertyKey[], document: Document): number | undefined {
  const parent: unknown = path.length === 0 ? document.contents : document.getIn(path.slice(0, -1), true);
  const last = path.at(-1);
  if (isNode(parent) && "items" in parent && typeof last === "string") {
    for (const item of parent.items as { key?: unknown }[]) {
      if (isNode(item.key) && "value" in item.key && item.key.value === last) return item.key.range?.[0];
    }
  }
  const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
  return isNode(node) ? node.range?.[0] : undefined;
}
