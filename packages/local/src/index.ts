// What others may use of the local launcher: its small private git server and the repository behind it.
export * from "./git-server.ts";
export { copySample, makeBareRepository } from "./sample.ts";
