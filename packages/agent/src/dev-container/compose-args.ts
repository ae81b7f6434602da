// The command line of Compose in three: what comes before the files, the files, and the command with the rest. Pure.

export type ComposeArgs = { before: string[]; files: string[]; after: string[] };

/** Splits at the command `up`. `compose` itself, where Docker carries it, comes before. */
export function splitComposeArgs(args: readonly string[]): ComposeArgs {
  const at = args.indexOf("up");
  const before: string[] = [];
  const files: string[] = [];
  for (let index = 0; index < at; index++) {
    const token = args[index] ?? "";
    if (token === "-f" || token === "--file") files.push(args[++index] ?? "");
    else if (token.startsWith("--file=")) files.push(token.slice("--file=".length));
    else before.push(token);
  }
  return { before, files, after: args.slice(at) };
}
