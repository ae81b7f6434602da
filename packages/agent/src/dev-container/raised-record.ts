// What a dev container was made from, on the home disk for root alone: what an agent that comes back, and the next start, know of it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { writeDurably } from "../durable-file.ts";

const RaisedRecord = z.object({
  /** Of configuration, files and policy. */
  fingerprint: z.string(),
  /** The home folder of the remote user, where the home volume is mounted. */
  home: z.string(),
  /** The configuration that was given to the reference implementation. */
  configuration: z.record(z.string(), z.unknown()),
  configPath: z.string(),
  /** The Compose file as it was rendered and checked. */
  compose: z.record(z.string(), z.unknown()).nullable(),
  notApplied: z.array(z.string()),
  recovery: z.object({ because: z.string() }).nullable(),
});
export type RaisedRecord = z.infer<typeof RaisedRecord>;

/** The last record, if there is one that can be read. */
export function readRaised(stateFolder: string): RaisedRecord | undefined {
  try {
    return RaisedRecord.parse(JSON.parse(readFileSync(join(stateFolder, "raised.json"), "utf8")));
  } catch {
    return undefined;
  }
}

/** When it returns, the record survives a crash. */
export function writeRaised(stateFolder: string, record: RaisedRecord): void {
  writeDurably(join(stateFolder, "raised.json"), JSON.stringify(record));
}
