// What a VM that waits for one repository holds of it, in a file for root alone: written last, so that what it names is whole.
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { failpoint } from "@gitspaces/daemon";
import { z } from "zod";
import { writeDurably } from "../durable-file.ts";

const PreparedRecord = z.object({
  url: z.string(),
  /** At which the clone stood when the hooks ran. */
  commit: z.string(),
  /** The dev container as an image, or why there is none. */
  image: z.union([z.object({ name: z.string(), home: z.string() }), z.object({ none: z.string() })]),
  fingerprint: z.string(),
  /** What the fingerprint is of, by the name that people know it by. */
  inputs: z.record(z.string(), z.string()),
  /** Other images that were made on the way. */
  built: z.array(z.string()),
  /** The clone on the home disk is a copy of the prepared one, files that hooks left in it included. */
  taken: z.boolean(),
});
export type PreparedRecord = z.infer<typeof PreparedRecord>;

const fileOf = (folder: string) => join(folder, "prepared.json");

/** The parent of the prepared clone. */
export function preparedWorkspaces(folder: string): string {
  return join(folder, "workspaces");
}

/** What is prepared, if it is whole. */
export function readPrepared(folder: string): PreparedRecord | undefined {
  try {
    return PreparedRecord.parse(JSON.parse(readFileSync(fileOf(folder), "utf8")));
  } catch {
    return undefined;
  }
}

/** When it returns, the record survives a crash. */
export function writePrepared(folder: string, record: PreparedRecord): void {
  writeDurably(fileOf(folder), JSON.stringify(record));
}

/** Nothing prepared is left in the folder; the record goes first. Images stay. */
export async function forgetPrepared(folder: string): Promise<void> {
  await rm(fileOf(folder), { force: true });
  await rm(folder, { recursive: true, force: true });
  failpoint("agent.afterPreparedGone");
}

/** The same place under two spellings: hosts know no case, and `.git` and a slash at the end say nothing. Pure. */
export function isSameRepository(one: string, other: string): boolean {
  return spelling(one) === spelling(other);
}

function spelling(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/\/+$/, "").replace(/\.git$/, "")}`;
}
