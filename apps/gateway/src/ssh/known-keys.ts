// Every SSH key that opens any Gitspace at all, kept as the access documents change: whoever asks about a key before a login must not
// make us look through all of them.
import type { AccessDocument } from "@gitspaces/contracts";

export class KnownKeys {
  /** How many Gitspaces a key opens, by its blob in base64. */
  readonly #counts = new Map<string, number>();

  /** Whether a key opens some Gitspace. */
  has(key: string): boolean {
    return this.#counts.has(key);
  }

  /** A document took the place of another. */
  replace(before: AccessDocument | undefined, after: AccessDocument): void {
    for (const key of keysOf(after)) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    for (const key of before === undefined ? [] : keysOf(before)) {
      const left = (this.#counts.get(key) ?? 0) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    }
  }
}

const known = new WeakMap<AccessDocument, ReadonlySet<string>>();

/** The blobs of the keys that open a Gitspace; none of one that is deleted. */
export function keysOf(document: AccessDocument): ReadonlySet<string> {
  const keys = known.get(document) ?? new Set(document.state === "deleted" ? [] : document.sshKeys.map(blobOf));
  known.set(document, keys);
  return keys;
}

/** The blob of a `type blob comment` line. */
export function blobOf(line: string): string {
  return line.trim().split(/\s+/)[1] ?? "";
}
