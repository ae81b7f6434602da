// What others may use of the agent: its start, for tests and for running it inside another process.
export { startAgent } from "./agent.ts";
export { type AgentConfig, readConfig } from "./config.ts";
