// What a doctor says of one part: whether it is well, why not, and what to do next.
import { plain, type Terminal } from "../terminal.ts";

export type Finding = {
  part: string;
  /** `unknown`: it could not be looked at, which by itself is no fault. */
  state: "ok" | "wrong" | "unknown";
  message: string;
  /** The next step, for what is wrong. */
  cure: string | null;
};

export function well(part: string, message: string): Finding {
  return { part, state: "ok", message, cure: null };
}

export function wrong(part: string, message: string, cure: string): Finding {
  return { part, state: "wrong", message, cure };
}

export function unknown(part: string, message: string): Finding {
  return { part, state: "unknown", message, cure: null };
}

/** One line for each part, and under what is wrong the next step. */
export function showFindings(terminal: Terminal, findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ part }) => part.length));
  const marks = { ok: ["green", "ok   "], wrong: ["red", "WRONG"], unknown: ["dim", "?    "] } as const;
  return findings
    .flatMap(({ part, state, message, cure }) => {
      const [colour, mark] = marks[state];
      const line = `${terminal.paint(colour, mark)}  ${part.padEnd(width)}  ${plain(message)}`;
      return cure === null ? [line] : [line, `${" ".repeat(width + 9)}→ ${plain(cure)}`];
    })
    .join("\n");
}
