// Whether a request stays within what a pass opens. One whose path or method servers could read in two ways never does.
import type { IncomingMessage } from "node:http";
import { isBelow, type Scope } from "@gitspaces/contracts";

export type Ask = Pick<IncomingMessage, "headers"> & { method: string; url: string; isUpgrade: boolean };

/** Encoded dots, slashes, backslashes, percent signs and NUL: what is decoded once more becomes another path. */
const AMBIGUOUS = /%(?:2e|2f|5c|25|00)|[\\#]|\/\//i;
/** A dot segment, also with parameters behind it, as some servers have them. */
const DOTS = /(?:^|\/)\.{1,2}(?:[;/]|$)/;

/** Headers whose path or method some servers take instead of the request's. */
const OVERRIDING = [
  "x-original-url",
  "x-original-uri",
  "x-rewrite-url",
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
];

/** Whether the request is one of those that the scope names. */
export function isWithin({ path: prefix, methods }: Pick<Scope, "path" | "methods">, ask: Ask): boolean {
  const { method, url, isUpgrade, headers } = ask;
  if (prefix === "/" && methods === undefined) return true;
  if (OVERRIDING.some((name) => headers[name] !== undefined)) return false;
  if (methods !== undefined && !methods.includes(isUpgrade ? "UPGRADE" : method)) return false;
  if (prefix === "/") return true;
  const [path = ""] = url.split("?");
  return isBelow(path, prefix) && !AMBIGUOUS.test(path) && !DOTS.test(path);
}

/** The scope in words, for whoever went beyond it. */
export function sayScope({ path, methods }: Pick<Scope, "path" | "methods">): string {
  const what = methods === undefined ? "" : ` with ${methods.join(", ")}`;
  return `This link or token opens only ${path === "/" ? "this port" : path}${what}.`;
}
