// Every shape that crosses a process. Cryptography is behind ./signing, ./sealing and ./passes, so that most importers do not load it.
export * from "./access.ts";
export * from "./agent-api.ts";
export * from "./delegate-wire.ts";
export * from "./event.ts";
export * from "./failure.ts";
export * from "./installation-health.ts";
export * from "./names.ts";
export * from "./pass.ts";
export * from "./pool-file.ts";
export * from "./pool-state.ts";
export * from "./public-api.ts";
export * from "./queue.ts";
export * from "./redis-keys.ts";
export * from "./route.ts";
export * from "./ssh.ts";
export * from "./task.ts";
export * from "./waking.ts";
