// Redis as a company runs it: a master, a replica and a sentinel, real processes. The replica can be cut off from the master, so
// that a failover loses what the master has acknowledged meanwhile.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@gitspaces/daemon/testing";
import { Redis } from "ioredis";

const PASSWORD = "a-password-of-this-test";
const DOWN_AFTER_MS = 1_000;
const START_MS = 10_000;

export type Trio = AsyncDisposable & {
  url: string;
  passwordFile: string;
  password: string;
  master: { pid: number; redis: Redis };
  replica: { redis: Redis };
  /** From here on the replica gets nothing more. */
  cutReplica(): Promise<void>;
};

/** Starts the three and waits until the replica follows and the sentinel knows it. */
export async function startTrio(): Promise<Trio> {
  await using opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "gs-sentinel-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const [masterPort, replicaPort, sentinelPort] = [await freePort(), await freePort(), await freePort()];
  const common = [
    `requirepass ${PASSWORD}`,
    `masterauth ${PASSWORD}`,
    "appendonly yes",
    'save ""',
    "repl-diskless-sync-delay 0",
  ];

  function start(name: string, port: number, lines: string[], ...more: string[]): ChildProcess {
    const place = join(folder, name);
    mkdirSync(place);
    writeFileSync(join(place, "conf"), ["bind 127.0.0.1", `port ${port}`, `dir ${place}`, ...lines, ""].join("\n"));
    const child = spawn("redis-server", [join(place, "conf"), ...more], { stdio: "ignore" });
    opened.defer(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    });
    return child;
  }
  function connect(port: number, password?: string): Redis {
    const redis = new Redis({
      host: "127.0.0.1",
      port,
      ...(password === undefined ? {} : { password }),
      maxRetriesPerRequest: null,
    });
    redis.on("error", () => undefined);
    opened.defer(() => redis.disconnect());
    return redis;
  }

  const master = start("master", masterPort, common);
  start("replica", replicaPort, [...common, `replicaof 127.0.0.1 ${masterPort}`]);
  const [toMaster, toReplica] = [connect(masterPort, PASSWORD), connect(replicaPort, PASSWORD)];
  await until("the replica follows", async () => /master_link_status:up/.test(await toReplica.info("replication")));
  const monitor = [
    `sentinel monitor gs 127.0.0.1 ${masterPort} 1`,
    `sentinel auth-pass gs ${PASSWORD}`,
    `sentinel down-after-milliseconds gs ${DOWN_AFTER_MS}`,
    "sentinel failover-timeout gs 3000",
  ];
  start("sentinel", sentinelPort, monitor, "--sentinel");
  const sentinel = connect(sentinelPort);
  await until("the sentinel knows the replica", async () => {
    return ((await sentinel.call("SENTINEL", "REPLICAS", "gs")) as unknown[]).length === 1;
  });
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, PASSWORD);
  const close = opened.move();
  return {
    url: `redis+sentinel://127.0.0.1:${sentinelPort}/gs`,
    passwordFile,
    password: PASSWORD,
    master: { pid: master.pid ?? 0, redis: toMaster },
    replica: { redis: toReplica },
    async cutReplica() {
      await toReplica.config("SET", "masterauth", "no longer");
      await toMaster.call("CLIENT", "KILL", "TYPE", "replica");
    },
    [Symbol.asyncDispose]: () => close.disposeAsync(),
  };
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + START_MS; !(await isSo().catch(() => false)); ) {
    if (performance.now() > deadline) throw new Error(`it did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
