// What a list of measurements says.

/** The value that `share` (0 to 1) of the measurements do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new Error("nothing was measured");
  return value;
}

export const median = (values: readonly number[]) => percentile(values, 0.5);

/** Two decimals are enough for a reader and keep small times apart. */
export const rounded = (value: number) => Math.round(value * 100) / 100;

/** Milliseconds of the machine's monotonic clock, the same for every process. */
export const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6;
