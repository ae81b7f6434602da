// Buffers of bodies die young, but V8 counts them as if they were old: after some 30 MB it marks the whole heap to be rid of them.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Small enough that V8 does not come first, large enough that a collection of the young is a small part of what moved. */
const EVERY_BYTES = 16 * 1024 * 1024;

type CollectYoung = (options: { type: "minor" }) => void;

function collector(): CollectYoung {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as CollectYoung;
}

/** Counts what bodies move through the process and collects the young each time it is much; less than a millisecond each. */
class BodyMemory {
  #moved = 0;
  #collect: CollectYoung | undefined;

  moved(bytes: number): void {
    this.#moved += bytes;
    if (this.#moved < EVERY_BYTES) return;
    this.#moved = 0;
    this.#collect ??= collector();
    this.#collect({ type: "minor" });
  }
}

/** One heap, so one count. */
export const bodyMemory = new BodyMemory();
