// The crash table as it is printed: a row for each kill, and what they say together.
import { victims } from "./crash-plan.ts";
import type { Verdict } from "./crash-lap.ts";

/** Prints the table. */
export function printTable(verdicts: readonly Verdict[]): void {
  const times = verdicts.map(({ settledMs }) => settledMs).toSorted((one, other) => one - other);
  const at = (share: number) => seconds(times[Math.ceil(times.length * share) - 1] ?? 0);
  const rows = verdicts
    .toSorted((one, other) => one.point.localeCompare(other.point) || one.victim.localeCompare(other.victim))
    .map(({ point, victim, act, verdict, outcome, settledMs }) =>
      row([point, victim, act, verdict, `${seconds(settledMs)} s`.padStart(7), outcome.slice(0, 60)]),
    );
  console.log([row(["failpoint", "killed", "action", "verdict", "settled", "outcome"]), ...rows].join("\n"));
  const count = (wanted: Verdict["verdict"]) => verdicts.filter(({ verdict }) => verdict === wanted).length;
  const points = new Set(verdicts.map(({ point }) => point)).size;
  console.log(
    `${points} failpoints, ${victims.length} processes, ${verdicts.length} crash points: ${count("held")} held, ` +
      `${count("broken")} broken, ${count("unreached")} not reached. Settled: median ${at(0.5)} s, p99 ${at(0.99)} s.`,
  );
}

const widths = [34, 14, 8, 9, 8, 0];

function row(cells: readonly string[]): string {
  return cells
    .map((cell, column) => cell.padEnd(widths[column] ?? 0))
    .join(" ")
    .trimEnd();
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}
