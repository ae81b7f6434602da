// One Gitspace is flooded; whoever works in another does not notice.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { follow, type Jar } from "../e2e/session.ts";
import { type House, openHouse, until } from "./house.ts";

const PORT = 3000;
const WINDOW_MS = 1_000;
const SETTLE_MS = 200;
const BURST_MS = 1_000;
const FEWEST_TURNS = 3;
const MOST_TURNS = 9;
/** Four are at work, each asking a hundred times a second at most. */
const WORKERS = 4;
const THINK_MS = 10;
/** A difference of less is the machine's, on which load and gateway share two cores. */
const NOISE_MS = 5;

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

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** How often each status came. */
type Counted = Record<string, number>;
async function countedBy(flood: ChildProcess): Promise<Counted> {
  flood.send("count");
  const [counted] = (await once(flood, "message", { signal: AbortSignal.timeout(10_000) })) as [Counted];
  return counted;
}

test("T14: while one Gitspace is flooded, the work in another fails never and its slowest hundredth takes less than twice as long", async () => {
  await work();
  const script = new URL("flood.ts", import.meta.url).pathname;
  const flood = fork(script, [flooded, String(gatewayPort), "127.0.0.2", "100"]);
  const calmly: number[] = [];
  const beside: number[] = [];
  let errors = 0;
  const isFair = (): boolean => {
    const usual = median(calmly);
    return median(beside) < Math.max(2 * usual, usual + NOISE_MS);
  };
  try {
    await sleep(1_000);
    // Calm and flood by turns, so that what else the machine does falls on both.
    for (let turn = 0; turn < MOST_TURNS && (turn < FEWEST_TURNS || !isFair()); turn++) {
      flood.kill("SIGSTOP");
      await sleep(SETTLE_MS);
      const before = await work();
      flood.kill("SIGCONT");
      // What may come at once comes at once.
      await sleep(BURST_MS);
      const during = await work();
      calmly.push(before.p99);
      beside.push(during.p99);
      errors += before.errors + during.errors;
    }
    const counted = await countedBy(flood);
    console.log(
      `p99 ${median(calmly).toFixed(1)} → ${median(beside).toFixed(1)} ms over ${calmly.length} turns, ` +
        `beside a flood of ${JSON.stringify(counted)}`,
    );
    expect(counted["200"]).toBeGreaterThan(300);
    expect(errors).toBe(0);
    expect({ calmly, beside, isFair: isFair() }).toMatchObject({ isFair: true });
  } finally {
    flood.kill("SIGKILL");
  }
});
