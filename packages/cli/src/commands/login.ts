// Signs in: checks a token with the control plane, then keeps both.
import { createInterface } from "node:readline/promises";
import { text } from "node:stream/consumers";
import { Writable } from "node:stream";
import { fail } from "@gitspaces/contracts";
import { openApi } from "../api.ts";
import type { CliContext } from "../program.ts";
import { readUrl, saveProfile, usualUrl } from "../profile.ts";
import { plain } from "../terminal.ts";
import { readToken } from "../token-file.ts";

/** Signs in and keeps address and token in the configuration file. */
export async function login(context: CliContext, options: { url?: string; tokenFile?: string }): Promise<void> {
  const { terminal, env, signal } = context;
  const url = readUrl(options.url ?? usualUrl({ env, folder: process.cwd() }));
  const token = options.tokenFile === undefined ? await askToken(context, url) : readToken(options.tokenFile);
  const from = options.tokenFile ?? "stdin";
  const user = await openApi({ url, token, from }, signal).user();
  const path = saveProfile(env, { url, token });
  if (terminal.json) return terminal.out(JSON.stringify({ url, user }));
  terminal.out(`Signed in to ${url} as ${plain(user.display_name)} (${user.identifier}). Kept in ${path}`);
}

async function askToken({ terminal, signal }: CliContext, url: string): Promise<string> {
  const given = terminal.stdin.isTTY
    ? await prompt(terminal.stdin, `Token for ${url}: `, signal)
    : await text(terminal.stdin);
  const token = given.trim();
  if (token !== "" && !/\s/.test(token)) return token;
  throw fail("bad_request", "No token was given. Write it to stdin, or name a file with --token-file.");
}

/** Asks on stderr and shows nothing of what is typed. */
async function prompt(input: NodeJS.ReadStream, question: string, signal: AbortSignal): Promise<string> {
  process.stderr.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output: silent, terminal: true });
  const interrupted = new AbortController();
  lines.once("SIGINT", () => interrupted.abort());
  try {
    return await lines.question("", { signal: AbortSignal.any([signal, interrupted.signal]) });
  } catch (cause) {
    throw fail("cancelled", "Not signed in.", { cause });
  } finally {
    lines.close();
    process.stderr.write("\n");
  }
}
