// What a build is made of: files of several folders, named by a digest and sent as one archive.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, type Readable } from "node:stream";

/** Files and folders below `folder`, which keep their names in the archive. */
export type Part = { folder: string; names: readonly string[] };

/** Tests and what they stand on; an image has no use for them. */
const leftOut = [/\.test\.ts$/, /^testing$/];

/** A digest of texts; of the same texts in the same order it is the same. */
export function digestOf(texts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest("hex").slice(0, 16);
}

/** Every file below a part as text for a digest: its name, whether it is a program, its content. */
export function filesOf({ folder, names }: Part): string[] {
  return names.flatMap((name) => describe(folder, name)).toSorted();
}

function describe(folder: string, name: string): string[] {
  const path = join(folder, name);
  const state = statSync(path);
  if (!state.isDirectory()) return [`${name}\0${(state.mode & 0o100) !== 0}\0${readFileSync(path, "base64")}`];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => !leftOut.some((pattern) => pattern.test(entry.name)))
    .flatMap((entry) =>
      entry.isSymbolicLink()
        ? [`${name}/${entry.name}\0${readlinkSync(join(path, entry.name))}`]
        : describe(folder, `${name}/${entry.name}`),
    );
}

/**
 * One archive of the parts, owned by root and readable by all. Without `whole`, tests are left out. Ends with an error when
 * `tar` fails. `renames` are pairs of a name's beginning and what stands for it in the archive.
 */
export function archive(
  parts: readonly Part[],
  { whole, renames = [], signal }: { whole: boolean; renames?: readonly [string, string][]; signal: AbortSignal },
): Readable {
  const args = ["--create", "--owner=0", "--group=0", "--numeric-owner", "--mode=a+rX,go-w", "--sort=name"];
  if (!whole) args.push("--exclude=*.test.ts", "--exclude=packages/*/src/testing");
  for (const [from, to] of renames) args.push(`--transform=flags=rSh;s,^${from},${to},`);
  for (const { folder, names } of parts) if (names.length > 0) args.push("-C", folder, ...names);
  const tar = spawn("tar", args, { stdio: ["ignore", "pipe", "pipe"], signal });
  // tar's output ends before its exit code is known, so the archive's end is decided here.
  const content = new PassThrough();
  tar.stdout.pipe(content, { end: false });
  let complaint = "";
  tar.stderr.setEncoding("utf8").on("data", (text: string) => (complaint = (complaint + text).slice(-2_000)));
  tar.once("error", (cause) => content.destroy(cause));
  tar.once("close", (code) => {
    // 1 is a file that somebody edits at this moment: it is whole, as it was or as it is.
    if (code === 0 || code === 1) content.end();
    else content.destroy(new Error(`tar ended with ${code ?? "a signal"}: ${complaint.trim()}`));
  });
  content.once("close", () => tar.kill());
  return content;
}
