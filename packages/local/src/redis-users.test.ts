import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { redisKeys, REDIS_PREFIX, ROUTES_CHANNEL, RUNNER_QUEUE } from "@gitspaces/contracts";
import { readSecret } from "@gitspaces/daemon";
import { freePort } from "@gitspaces/daemon/testing";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type KeptProgram, keepProgram } from "./program.ts";
import { redisProgram, waitForRedis } from "./redis.ts";
import { makeSecrets, type SecretFiles } from "./secrets.ts";

const daemons = ["runner", "delegate", "gateway"] as const;
type Daemon = (typeof daemons)[number];
const everybody: Daemon[] = [...daemons];
const nobody: Daemon[] = [];
const [runner, delegate, gateway] = daemons;

const job = `${REDIS_PREFIX}:${RUNNER_QUEUE}:1`;
const route = redisKeys.route("hello-k3v9x2");
const vm = redisKeys.vm("default-1");
const code = redisKeys.code("one");

/** What is tried, as words of the protocol, and who may. */
const matrix: [string, Daemon[]][] = [
  ["PING", everybody],
  ["INFO server", everybody],
  [`GET ${redisKeys.whole("records")}`, [runner, gateway]],
  [`GET ${route}`, [runner, gateway]],
  ["SCAN 0 MATCH gs:route:* COUNT 10", everybody],
  [`SET ${route} {}`, [runner]],
  [`DEL ${route}`, [runner]],
  [`SET ${code} spent EX 60 NX`, [runner, gateway]],
  [`SUBSCRIBE ${ROUTES_CHANNEL}`, [runner, gateway]],
  ["SUBSCRIBE gs:pools", [runner]],
  ["SUBSCRIBE other", nobody],
  ["PSUBSCRIBE *", nobody],
  [`PUBLISH ${ROUTES_CHANNEL} {}`, [runner]],
  [`HSET ${vm} power running`, [runner]],
  [`HGETALL ${vm}`, [runner]],
  [`HGETALL ${redisKeys.claim("hello-k3v9x2")}`, [runner]],
  [`ZRANGE ${redisKeys.warm("default")} 0 -1`, [runner]],
  [`GETDEL ${redisKeys.enrolment("a")}`, [runner]],
  [`SET ${redisKeys.whole("records")} forged`, [runner]],
  [`HSET ${job} data {}`, [runner, delegate]],
  [`HGETALL ${job}`, [runner, delegate]],
  [`XADD ${REDIS_PREFIX}:${RUNNER_QUEUE}:events * event waiting`, [runner, delegate]],
  [`EVAL return(redis.call('INCR',KEYS[1])) 1 ${REDIS_PREFIX}:${RUNNER_QUEUE}:id`, [runner, delegate]],
  [`EVAL return(redis.call('SET',KEYS[1],'x')) 1 ${route}`, [runner]],
  ["EVAL return(redis.call('FLUSHALL')) 0", nobody],
  ["GET other", nobody],
  ["SET other 1", nobody],
  ["SET gsx:other 1", nobody],
  ["FLUSHALL", nobody],
  ["FLUSHDB", nobody],
  ["KEYS gs:*", nobody],
  ["CONFIG GET maxmemory-policy", nobody],
  ["CONFIG SET maxmemory-policy allkeys-lru", nobody],
  ["ACL LIST", nobody],
  ["ACL SETUSER gateway +@all", nobody],
  ["CLIENT LIST", nobody],
  ["CLIENT KILL TYPE normal", nobody],
  ["MONITOR", nobody],
  ["SAVE", nobody],
  ["SHUTDOWN NOSAVE", nobody],
  ["REPLICAOF 127.0.0.1 1", nobody],
  ["DEBUG SLEEP 0", nobody],
  [`MIGRATE 127.0.0.1 1 ${vm} 0 10`, nobody],
  [`RESTORE ${vm} 0 x`, nobody],
  ["SWAPDB 0 1", nobody],
];

let folder: string;
let port: number;
let secrets: SecretFiles;
let program: KeptProgram;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "redis-users-"));
  port = await freePort();
  secrets = await makeSecrets(folder);
  program = keepProgram(redisProgram(folder, port, secrets), { dataFolder: folder, say: () => undefined });
  await waitForRedis(port, secrets, AbortSignal.timeout(10_000));
  program.started();
});
afterAll(async () => {
  await program[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** Whether the user may: what Redis does not understand is a mistake here, not a refusal. */
async function isAllowed(daemon: Daemon, words: string): Promise<boolean> {
  const password = readSecret(secrets.redisPassword[daemon]);
  const client = new Redis({ host: "127.0.0.1", port, username: daemon, password, retryStrategy: () => null });
  client.on("error", () => undefined);
  const [command = "", ...args] = words.split(" ");
  try {
    await client.call(command, ...args);
    return true;
  } catch (error) {
    const { message } = error as Error;
    if (/NOPERM|can't run this command|permission|not allowed/i.test(message)) return false;
    throw new Error(`${daemon}: ${words}: ${message}`, { cause: error });
  } finally {
    client.disconnect();
  }
}

test.each(matrix)("I10: %s is for %j", async (words, allowed) => {
  const may = await Promise.all(everybody.map(async (daemon) => ((await isAllowed(daemon, words)) ? [daemon] : [])));
  expect(may.flat()).toEqual(allowed);
});
