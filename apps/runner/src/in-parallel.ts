// Work on many things, a few at a time.

/** Works on each item, at most `atOnce` at the same time. The first failure is thrown once everything under way has ended. */
export async function inParallel<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = items.values();
  const workers = Array.from({ length: Math.min(atOnce, items.length) }, async () => {
    for (const item of waiting) await work(item);
  });
  const failed = (await Promise.allSettled(workers)).find((settled) => settled.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
