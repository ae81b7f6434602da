// The settings of leaving: how a stop is spread over time, and how long old processes serve on.
import { z } from "zod";

const milliseconds = (usual: number, most: number) => z.number().int().min(0).max(most).default(usual);
const HOUR_MS = 3_600_000;

export const handOverConfig = {
  /** How long a stop is told at `/readyz` before nobody new is taken: as long as a balancer needs to notice. */
  unreadyMs: milliseconds(100, 8_000),
  /** How long a stop waits for requests to end. Both together fit into the 25 s that a stop may take. */
  stopGraceMs: milliseconds(10_000, 12_000),
  /** How long a process that handed over serves the connections that it has. */
  handoverMs: milliseconds(12 * HOUR_MS, 7 * 24 * HOUR_MS),
  /** How long a new process may take until it serves. */
  handoverReadyMs: milliseconds(60_000, 600_000),
  /** How many old processes may serve on at the same time; the oldest one's connections are closed when there are more. */
  oldProcesses: z.number().int().min(0).max(50).default(3),
};
