// How options are read that several commands share.
import { InvalidArgumentError } from "commander";

/** A port. */
export function port(text: string): number {
  if (/^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError("It should be a port from 1 to 65535.");
}

/** Ports, one for each time the option is given. */
export function ports(text: string, before: number[] = []): number[] {
  return [...before, port(text)];
}

/** Names, one for each time the option is given. */
export function several(text: string, before: string[] = []): string[] {
  return [...before, text];
}

/** Methods between commas, upper case. */
export function methods(text: string): string[] {
  return text.split(",").map((method) => method.trim().toUpperCase());
}

const units: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Seconds from a span such as 30m, 12h or 7d. */
export function span(text: string): number {
  const [, count, unit = ""] = /^([1-9][0-9]{0,6})([smhd])$/.exec(text) ?? [];
  if (count === undefined) throw new InvalidArgumentError("It should be a span of time such as 30m, 12h or 7d.");
  return Number(count) * (units[unit] ?? 1);
}
