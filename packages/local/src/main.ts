// `bin/up` and `bin/down` after their launcher made sure that everything needed is installed.
import { fileURLToPath } from "node:url";
import { toFailure } from "@gitspaces/contracts";
import { Command } from "commander";
import { superviseDetached, tellParent } from "./detached.ts";
import { stopSystem } from "./down.ts";
import { dataFolderFrom, readOptions, type UpArguments } from "./options.ts";
import { reporter } from "./report.ts";
import { supervise } from "./supervisor.ts";

const main = fileURLToPath(import.meta.url);
const program = new Command("gitspaces-local").exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

program
  .command("up")
  .description("start Gitspaces on this machine")
  .option("--detach", "return once it is up")
  .option("--json", "print one JSON line at the end")
  .option("--no-sample", "make no sample Gitspace")
  .option("--provider <kind>", "what VMs are: process or docker")
  .option("--data <folder>", "where everything is kept")
  .option("--port-base <number>", "the first port; the others follow it")
  .action(async (given: UpArguments) => {
    const tell = reporter({
      out: (text) => process.stdout.write(text),
      err: (text) => process.stderr.write(text),
      isTerminal: process.stderr.isTTY,
      json: given.json ?? false,
    });
    try {
      const options = readOptions(given, process.env, Date.now());
      process.exitCode =
        options.detach && !process.connected
          ? await superviseDetached(options, main, tell)
          : await supervise(options, tellParent(tell));
    } catch (error) {
      tell({ news: "failure", failure: toFailure(error) });
      process.exitCode = 1;
    }
  });

program
  .command("down")
  .description("stop what up started; the data stays")
  .option("--data <folder>", "where everything is kept")
  .action(async ({ data }: { data?: string }) => {
    try {
      await stopSystem(dataFolderFrom(data), (line) => console.log(line));
    } catch (error) {
      console.error(toFailure(error).message);
      process.exitCode = 1;
    }
  });

await program.parseAsync();
