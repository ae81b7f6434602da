// Amounts of data as people read them.

const units = ["B", "KB", "MB", "GB", "TB"] as const;

/** 0 → "0 B", 2_048 → "2.0 KB", 15_728_640 → "15 MB". */
export function bytes(amount: number): string {
  const power = amount < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(amount) / 10));
  const value = amount / 1_024 ** power;
  return `${power === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}
