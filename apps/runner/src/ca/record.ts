// Which authorities an installation has, as numbered files in `rotation/`: the highest number counts, and none is ever changed.
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail, parse } from "@gitspaces/contracts";
import { z } from "zod";
import { writeOnce } from "./whole-file.ts";

/** PEM each. The link is its predecessor's word for it; the very first has none. */
const Known = z.strictObject({ certificate: z.string(), link: z.string().nullable() });
/** `key`: its file in the CA's folder. */
const Keyed = Known.extend({ key: z.string() });
/** `since`, `until`: milliseconds since the epoch; after `until` nobody is waited for any longer. */
const Passing = Keyed.extend({ since: z.int(), until: z.int() });

export const CaRecord = z.strictObject({
  number: z.int().min(0),
  /** Issues. */
  present: Keyed,
  /** Trusted, and to issue when everybody trusts it. */
  next: Passing.nullable(),
  /** Issued before; trusted as long as something that it issued is used. */
  retiring: Passing.nullable(),
  /** Not trusted any more. Who slept through it all is known again by them. */
  former: z.array(Known),
});
export type CaRecord = z.infer<typeof CaRecord>;

/** Chains grow by two certificates with each; who slept through more rotations than these enrols anew. */
const FORMER_KEPT = 8;
const fileOf = (folder: string, number: number): string =>
  join(folder, "rotation", `${String(number).padStart(6, "0")}.json`);

/** The record that counts, or nothing before the first rotation. @throws {FailureError} `bad_request` for one that is damaged. */
export function readRecord(folder: string): CaRecord | undefined {
  const rotation = join(folder, "rotation");
  if (!existsSync(rotation)) return undefined;
  const numbers = readdirSync(rotation).flatMap((name) =>
    /^\d{6}\.json$/.test(name) ? [Number(name.slice(0, 6))] : [],
  );
  if (numbers.length === 0) return undefined;
  const file = fileOf(folder, Math.max(...numbers));
  try {
    return parse(CaRecord, JSON.parse(readFileSync(file, "utf8")), file);
  } catch (cause) {
    throw fail("bad_request", `${file} cannot be read; restore the CA's folder from a backup.`, { cause });
  }
}

/** Makes a record the one that counts; false when another runner was faster. */
export function writeRecord(folder: string, record: CaRecord): boolean {
  mkdirSync(join(folder, "rotation"), { recursive: true, mode: 0o700 });
  return writeOnce(fileOf(folder, record.number), `${JSON.stringify(record, undefined, 2)}\n`, 0o600);
}

/** Everyone is to trust `next` from now on. */
export function announced(record: CaRecord, next: z.infer<typeof Passing>): CaRecord {
  return { ...record, number: record.number + 1, next };
}

/** `next` issues; what was present is trusted until `until` at the latest. */
export function switched(record: CaRecord, since: number, until: number): CaRecord {
  const { number, present, next, former } = record;
  if (next === null) throw fail("conflict", "There is no next certificate authority.");
  const { certificate, link, key } = next;
  return {
    number: number + 1,
    present: { certificate, link, key },
    next: null,
    retiring: { ...present, since, until },
    former,
  };
}

/** What was retiring is trusted no more. */
export function dropped(record: CaRecord): CaRecord {
  const { retiring, former } = record;
  if (retiring === null) throw fail("conflict", "No certificate authority is being retired.");
  const { certificate, link } = retiring;
  return {
    ...record,
    number: record.number + 1,
    retiring: null,
    former: [{ certificate, link }, ...former].slice(0, FORMER_KEPT),
  };
}
