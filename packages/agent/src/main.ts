// The agent inside a Gitspace's VM: proves itself, keeps an IDE warm, takes one identity, does the tasks of that Gitspace.
import { runDaemon } from "@gitspaces/daemon";
import { startAgent } from "./agent.ts";
import { readConfig } from "./config.ts";

await runDaemon("agent", async (log, signal) => await startAgent(readConfig(process.env), log, signal));
