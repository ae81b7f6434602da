// Text in columns, as wide as their widest cell.

/** Rows under a head, columns two spaces apart; the last column is not padded. `style` dresses a cell after it is padded. */
export function columns(
  rows: readonly (readonly string[])[],
  style: (cell: string, row: number, column: number) => string = (cell) => cell,
): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, width(cell))));
  return rows
    .map((row, index) =>
      row
        .map((cell, at) => {
          const pad = at === row.length - 1 ? 0 : (widths[at] ?? 0) - width(cell);
          return `${style(cell, index, at)}${" ".repeat(pad)}`;
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function width(text: string): number {
  return Array.from(text).length;
}
