// The command as a function, for programs that want it without a process of its own.
export { type CliContext, runCli } from "./program.ts";
export { openTerminal, type Terminal } from "./terminal.ts";
