// The `gitspaces` command: read the arguments, do one thing, say how it went by the exit code.
import { runCli } from "./program.ts";
import { stopSignal } from "./stop-signal.ts";
import { openTerminal } from "./terminal.ts";

const terminal = openTerminal(process);
process.exitCode = await runCli(process.argv.slice(2), { terminal, env: process.env, signal: stopSignal(process) });
