// What an operator types: `gitspaces-runner rotate-ca [--status] [--data FOLDER]`.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fail, toFailure } from "@gitspaces/contracts";
import { askForRotation, progressOf } from "./ca/command.ts";

const USAGE = `gitspaces-runner rotate-ca [--status] [--data FOLDER]

  Replaces the installation's certificate authority while everything goes on. The runner does it, step by step:
  the next CA is trusted by everybody first, then it issues, and the last one goes when nothing of it is used.
  --status       tells how far that is, and begins nothing
  --data FOLDER  the runner's data folder; GITSPACES_DATA_FOLDER by default
`;

async function run(argv: string[]): Promise<string> {
  const { values, positionals } = parseArgs({
    args: argv,
    options: { data: { type: "string" }, status: { type: "boolean" }, help: { type: "boolean", short: "h" } },
    allowPositionals: true,
  });
  if (values.help === true) return USAGE.trimEnd();
  if (positionals.join(" ") !== "rotate-ca") throw fail("bad_request", `There is no such command.\n\n${USAGE}`);
  const data = values.data ?? process.env["GITSPACES_DATA_FOLDER"];
  if (data === undefined || data === "")
    throw fail("bad_request", "Name the runner's data folder with --data or GITSPACES_DATA_FOLDER.", { field: "data" });
  const folder = join(data, "ca");
  return values.status === true ? progressOf(folder, Date.now()) : await askForRotation(folder);
}

try {
  process.stdout.write(`${await run(process.argv.slice(2))}\n`);
} catch (error) {
  const isOfUse = (error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS") === true;
  process.stderr.write(`${isOfUse ? (error as Error).message : toFailure(error).message}\n`);
  process.exitCode = 1;
}
