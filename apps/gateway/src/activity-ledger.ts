// What the control plane has still to hear of use: merged while it is away, so that it does not grow, and in batches that count once.
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { GatewayReport } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import { z } from "zod";
import { writeWhole } from "./access-file.ts";

/** As many as fit into one message, beside the word on health. */
const MOST_LINES = 900;

const Batch = z.strictObject({
  id: z.string(),
  lines: z.array(GatewayReport),
  /** Once sent it stays as it is: whether it arrived is not known until it is answered. */
  isSent: z.boolean(),
});
export type Batch = z.infer<typeof Batch>;

export class ActivityLedger {
  #batches: Batch[] = [];

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  /** Adds what was told since the last call. Lines of the same use become one. */
  add(lines: readonly GatewayReport[]): void {
    for (const line of lines) this.#addLine(line);
  }

  #addLine(line: GatewayReport): void {
    let batch = this.#batches.at(-1);
    if (batch === undefined || batch.isSent || batch.lines.length >= MOST_LINES) {
      batch = { id: randomUUID(), lines: [], isSent: false };
      this.#batches.push(batch);
    }
    const key = keyOf(line);
    const index = key === undefined ? -1 : batch.lines.findIndex((each) => keyOf(each) === key);
    const present = batch.lines[index];
    if (present === undefined) batch.lines.push(line);
    else batch.lines[index] = merged(present, line);
  }

  /** The oldest batch, to be sent as it is now. */
  next(): Batch | undefined {
    const [batch] = this.#batches;
    if (batch !== undefined) batch.isSent = true;
    return batch;
  }

  /** The control plane has taken it. */
  taken({ id }: Batch): void {
    this.#batches = this.#batches.filter((each) => each.id !== id);
  }

  /** Writes it down for the next process. */
  async keep(file: string): Promise<void> {
    await writeWhole(file, JSON.stringify(this.#batches));
  }

  /** Goes on with what was kept; nothing when there is none, or it can not be read. */
  async restore(file: string, log: Logger): Promise<void> {
    try {
      const kept = z.array(Batch).parse(JSON.parse(await readFile(file, "utf8")));
      this.#batches = [...kept, ...this.#batches];
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== "ENOENT") log.warn({ err, file }, "kept reports could not be read");
    }
  }
}

/** Lines of the same key are one use. Use and what is none stay apart, so that the last use keeps its time. */
function keyOf(line: GatewayReport): string | undefined {
  if (line.kind !== "activity") return undefined;
  return [line.gitspaceId, line.generation, line.source, line.port, line.active].join(" ");
}

function merged(one: GatewayReport, other: GatewayReport): GatewayReport {
  if (one.kind !== "activity" || other.kind !== "activity") return other;
  return { ...one, bytes: one.bytes + other.bytes, at: Math.max(one.at, other.at) };
}
