// Extensions that a configuration asks for: the IDE's own installer puts them into the person's home, while the person works already.
import { writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { z } from "zod";
import { ideFolders } from "../home-folder.ts";
import { ideEntry } from "../ide-command.ts";
import type { Container } from "./container.ts";
import { type EngineAccess, runInside } from "./in-container.ts";
import { INSIDE, type InsideFolder } from "./inside-folder.ts";

type Installing = {
  engine: EngineAccess;
  inside: InsideFolder;
  container: Container;
  /** The path inside of the Node to run the installer with. */
  node: string;
  note: (sentence: string) => void;
  signal: AbortSignal;
};
const Outcome = z.object({ extension: z.string(), ok: z.boolean(), why: z.string() });
const DEADLINE_MS = 20 * 60_000;

/** Ids of the gallery and `.vsix` files of the repository, as the installer takes them; an id after `-` is one to leave out. Pure. */
export function wantedExtensions({
  customizations,
  workspaceFolder,
}: Pick<Container, "customizations" | "workspaceFolder">): string[] {
  const ids = new Set(customizations.extensions.map((each) => each.trim()));
  return [...ids]
    .filter((id) => id !== "" && !id.startsWith("-") && !ids.has(`-${id}`))
    .map((id) => (id.toLowerCase().endsWith(".vsix") ? posix.resolve(workspaceFolder, id) : id));
}

/** Installs what is not there yet, with a note for each that could not be. */
export async function installExtensions({ engine, inside, container, node, note, signal }: Installing): Promise<void> {
  const wanted = wantedExtensions(container);
  if (wanted.length === 0) return;
  const list = { ...ideFolders(container.user.home), entry: ideEntry(INSIDE.ide), wanted };
  writeFileSync(join(inside.sent, "extensions.json"), JSON.stringify(list));
  const onLine = (line: string) => {
    const { data } = Outcome.safeParse(readJson(line));
    if (data?.ok === false) note(`The extension ${data.extension} was not installed: ${data.why}`);
  };
  const { code, output } = await runInside(engine, container, {
    args: [node, `${INSIDE.scripts}/install-extensions.mjs`, `${INSIDE.run}/extensions.json`],
    signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
    onLine,
  });
  if (code !== 0) note(`Extensions were not installed: ${output.at(-1) ?? "the installer said nothing"}`);
}

function readJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
