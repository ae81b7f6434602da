// What others may use of the local launcher: its small private git server and the repository behind it.
export * from "./git-server.ts";
export { makeBareRepository } from "./sample.ts";
