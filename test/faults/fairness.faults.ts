// One Gitspace is flooded; whoever works in another does not notice.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { follow, type Jar } from "../e2e/session.ts";
import { type House, openHouse, until } from "./house.ts";

const PORT = 3000;
const WINDOW_MS = 1_200;
const WINDOWS = 3;
/** Four are at work, each asking a hundred times a second at most. */
const WORKERS = 4;
const THINK_MS = 10;
/** A difference of less is the machine's, on which load and gateway share two cores. */
const NOISE_MS = 5;
const ROUNDS = 3;

const files = {
  "serve.mjs": `import { createServer } from "node:http";
createServer((_, answer) => answer.end("x".repeat(1024))).listen(${PORT});\n`,
  ".devcontainer.json": JSON.stringify({ postStartCommand: "setsid node serve.mjs & sleep 0.3" }),
};
let house: House;
let gatewayPort: number;
let calm: { host: string; cookie: string };
let flooded: string;
beforeAll(async () => {
  house = await openHouse({ env: { GITSPACES_LOG_LEVEL: "warn" } });
  gatewayPort = house.system.ready.ports["gateway"] ?? 0;
  const url = house.repository("serve", files);
  const [one, two] = await Promise.all([house.api.create(url), house.api.create(url)]);
  const hostOf = (id: string) => `${PORT}--${id}.gitspaces.localhost`;
  const path = `gitspaces/${two.identifier}/visibility/${PORT}`;
  await house.api.call("PUT", path, { visibility: "public" });
  flooded = hostOf(two.identifier);
  const jar: Jar = new Map();
  await follow(await house.api.signInLink(one.identifier), jar);
  const host = hostOf(one.identifier);
  await follow(`http://${host}:${gatewayPort}/`, jar);
  const cookies = [...(jar.get(`${host}:${gatewayPort}`) ?? [])];
  calm = { host, cookie: cookies.map(([name, value]) => `${name}=${value}`).join("; ") };
  await until(
    "both are served",
    20_000,
    async () => (await ask(calm)) === 200 && (await ask({ host: flooded })) === 200,
  );
});
afterAll(async () => await house?.[Symbol.asyncDispose]());

type Asked = { host: string; cookie?: string; agent?: Agent };

async function ask({ host, cookie, agent }: Asked): Promise<number> {
  const headers = { host: `${host}:${gatewayPort}`, ...(cookie === undefined ? {} : { cookie }) };
  const asked = get({ host: "127.0.0.1", port: gatewayPort, headers, ...(agent === undefined ? {} : { agent }) });
  const [answer] = (await once(asked, "response", { signal: AbortSignal.timeout(10_000) })) as [IncomingMessage];
  answer.resume();
  await once(answer, "end");
  return answer.statusCode ?? 0;
}

/** Works for a window of time; gives the 99th percentile in milliseconds, and how much was not answered with 200. */
async function work(): Promise<{ p99: number; errors: number; requests: number }> {
  const took: number[] = [];
  let errors = 0;
  const end = performance.now() + WINDOW_MS;
  const worker = async (): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (performance.now() < end) {
      const began = performance.now();
      if ((await ask({ ...calm, agent }).catch(() => 0)) !== 200) errors++;
      took.push(performance.now() - began);
      await sleep(THINK_MS);
    }
    agent.destroy();
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  const sorted = took.toSorted((a, b) => a - b);
  return { p99: sorted[Math.floor(sorted.length * 0.99)] ?? Number.POSITIVE_INFINITY, errors, requests: took.length };
}

async function windows(): Promise<{ p99: number; errors: number }> {
  const seen = [];
  for (let each = 0; each < WINDOWS; each++) seen.push(await work());
  const p99s = seen.map(({ p99 }) => p99).toSorted((a, b) => a - b);
  return { p99: p99s[Math.floor(WINDOWS / 2)] ?? 0, errors: seen.reduce((sum, { errors }) => sum + errors, 0) };
}

type Counted = { answered: number; refused: number; broken: number };
async function countedBy(flood: ChildProcess): Promise<Counted> {
  flood.send("count");
  const [counted] = (await once(flood, "message", { signal: AbortSignal.timeout(10_000) })) as [Counted];
  return counted;
}

test("T14: while one Gitspace is flooded, the work in another fails never and its slowest hundredth takes less than twice as long", async () => {
  const script = new URL("flood.ts", import.meta.url).pathname;
  const told: string[] = [];
  let isFair = false;
  for (let round = 0; round < ROUNDS && !isFair; round++) {
    await work();
    const before = await windows();
    const flood = fork(script, [flooded, String(gatewayPort), "127.0.0.2", "100"]);
    try {
      // What may come at once has come.
      await sleep(2_500);
      const start = await countedBy(flood);
      const during = await windows();
      const end = await countedBy(flood);
      told.push(
        `p99 ${before.p99.toFixed(1)} → ${during.p99.toFixed(1)} ms beside ${end.answered - start.answered} requests answered ` +
          `and ${end.refused - start.refused} refused in ${(WINDOWS * WINDOW_MS) / 1_000} s`,
      );
      expect([before.errors, during.errors]).toEqual([0, 0]);
      expect(end.answered).toBeGreaterThan(start.answered + 1_000);
      isFair = during.p99 < Math.max(2 * before.p99, before.p99 + NOISE_MS);
    } finally {
      flood.kill("SIGKILL");
    }
  }
  console.log(told.join("\n"));
  expect([isFair, told]).toEqual([true, told]);
});
