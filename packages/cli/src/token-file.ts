// Tokens come from files or stdin, never from the command line, where everybody on the machine could read them.
import { readFileSync } from "node:fs";
import { fail } from "@gitspaces/contracts";

/** A token from a file, without the line break behind it. @throws {FailureError} `bad_request` when there is none. */
export function readToken(path: string): string {
  let token: string;
  try {
    token = readFileSync(path, "utf8").trim();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unreadable";
    throw fail("bad_request", `The token file ${path} cannot be read (${code}).`, { cause });
  }
  if (token === "" || /\s/.test(token))
    throw fail("bad_request", `The token file ${path} should hold one token and nothing else.`);
  return token;
}
