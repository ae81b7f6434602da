// Values that change, in an engine whose labels cannot: each version is a volume named after its number, and the engine makes a
// name only once. Whoever finds its own mark on version N+1 has changed version N; everybody else has lost.
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Engine } from "./engine.ts";
import { type Kind, type Names, mark } from "./names.ts";

/** So many versions are kept; a writer that slept while more were written cannot tell whether it won, so it has lost. */
export const KEPT = 8;

export type Entry = { version: number; key: string; labels: Record<string, string> };

const label = { key: "gs-key-of-call", nonce: "gs-nonce", value: "gs-value" } as const;
const Made = z.looseObject({ Labels: z.record(z.string(), z.string()).nullish() });

/** The entry in a volume's labels. One that an engine lost in a crash has none and counts as a version that changed nothing. */
export function entryOf(version: number, labels: Record<string, string> | null | undefined): Entry | undefined {
  const text = labels?.[label.value];
  if (text === undefined) return undefined;
  const value = z.record(z.string(), z.string()).safeParse(JSON.parse(text));
  return value.success ? { version, key: labels?.[label.key] ?? "", labels: value.data } : undefined;
}

/** One thing's versions: the newest number, 0 when it never changed, and the newest that can be read. */
export type History = { newest: number; oldest: number; latest: Entry | undefined };
export const noHistory: History = { newest: 0, oldest: 1, latest: undefined };

/** The history with one more of its volumes known. */
export function withVolume(history: History, version: number, entry: Entry | undefined): History {
  const { latest, newest, oldest } = history;
  return {
    newest: Math.max(newest, version),
    oldest: newest === 0 ? version : Math.min(oldest, version),
    latest: entry !== undefined && entry.version > (latest?.version ?? 0) ? entry : latest,
  };
}

type Change = { kind: Kind; id: string; ifVersion: number; value: Record<string, string>; key: string };

/** The ledger of an installation. `historyOf` reads anew. */
export function ledger(
  engine: Engine,
  names: Names,
  historyOf: (kind: Kind, id: string, signal: AbortSignal) => Promise<History>,
) {
  const forget = async (kind: Kind, id: string, from: number, to: number, signal: AbortSignal) => {
    // From the oldest on: that a version is there proves that no later one was forgotten.
    for (let version = from; version <= to; version += 1) {
      await engine.tellUnless([404], "DELETE", `/volumes/${names.entry(kind, id, version)}`, { signal });
    }
  };
  return {
    forget,
    /** Writes version `ifVersion` + 1; false when another did. */
    async write({ kind, id, ifVersion, value, key }: Change, signal: AbortSignal): Promise<boolean> {
      const version = ifVersion + 1;
      const nonce = randomUUID();
      const body = {
        Name: names.entry(kind, id, version),
        Labels: {
          [mark.installation]: names.installation,
          [mark.kind]: "entry",
          [label.key]: key,
          [label.nonce]: nonce,
          [label.value]: JSON.stringify(value),
        },
      };
      const made = await engine.ask(Made, "POST", "/volumes/create", { body, signal });
      if (made.Labels?.[label.nonce] !== nonce) return false;
      const { newest, oldest } = await historyOf(kind, id, signal);
      if (newest >= version + KEPT) return false;
      if (newest - KEPT >= oldest) await forget(kind, id, oldest, newest - KEPT, signal);
      return true;
    },
  };
}
