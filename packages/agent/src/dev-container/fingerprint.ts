// What a dev container is made from, as one short text: while it stays the same, the container that is there fits.
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const MOST_FILES = 500;

/**
 * Digest of a value that JSON can hold and of the files and folders named; what is missing counts as such. Where the folder `root`
 * stands does not count.
 */
export function fingerprint(value: unknown, paths: readonly string[], root?: string): string {
  const told = (text: string) => (root === undefined ? text : text.replaceAll(root, ""));
  const hash = createHash("sha256").update(told(JSON.stringify(value) ?? ""));
  let left = MOST_FILES;
  const take = (path: string) => {
    if (left-- <= 0) return;
    const stat = lstatSync(path, { throwIfNoEntry: false });
    hash.update(`\0${told(path)}\0`);
    if (stat?.isDirectory() === true) for (const name of readdirSync(path).toSorted()) take(join(path, name));
    else if (stat?.isFile() === true) hash.update(readFileSync(path));
  };
  for (const path of paths) take(path);
  return hash.digest("hex").slice(0, 32);
}
