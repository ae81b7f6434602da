// What every daemon shares. SQLite and certificates are behind ./sqlite and ./certificates, for those that use them.
export * from "./admin.ts";
export * from "./canary.ts";
export * from "./clock.ts";
export * from "./config.ts";
export * from "./connection-reserve.ts";
export * from "./counter.ts";
export * from "./disk.ts";
export * from "./failpoint.ts";
export * from "./localhost.ts";
export * from "./log.ts";
export * from "./peer-clock.ts";
export * from "./process.ts";
export * from "./retry.ts";
