// File descriptors run out: twice as many connections as there may be, against a limit that is lowered while the process runs.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readiness } from "./apart.ts";
import { type House, openHouse, until } from "./house.ts";

const LIMIT = 256;

let house: House;

beforeAll(async () => {
  house = await openHouse();
});
afterAll(async () => await house?.[Symbol.asyncDispose]());

const victims = [
  { victim: "gateway", port: "gateway", path: "/", host: "nobody-aaaaaa.gitspaces.localhost" },
  { victim: "control-plane", port: "control_plane", path: "/.well-known/jwks.json", host: "localhost" },
] as const;

test.each(victims)(
  "I13 E14: with twice as many connections as descriptors $victim serves on whom it serves, answers 503, and is well afterwards",
  async ({ victim, port: portName, path, host }) => {
    const port = house.system.ready.ports[portName] as number;
    const [pid] = house.pids(victim);
    const served = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = async (agent: Agent | false) => await status({ port, path, host, agent });
    const usual = await ask(served);
    expect(usual).toBeGreaterThanOrEqual(200);
    expect(usual).toBeLessThan(500);

    execFileSync("prlimit", ["--pid", String(pid), `--nofile=${LIMIT}:`]);
    // It looks at its limit at most twice a second; in earnest that does not change.
    await sleep(600);
    const crowd: Socket[] = [];
    try {
      for (let each = 0; each < LIMIT * 2; each++) {
        const socket = connect(port, "127.0.0.1");
        socket.on("error", () => undefined);
        crowd.push(socket);
        // Whoever is let in stays: a head that is not finished holds its connection.
        socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n`);
        if (each % 64 === 0) await sleep(20);
      }
      expect(await ask(served), "who was served before").toBe(usual);
      // At first even that answer is too much: those that were refused and say nothing are let go after 2 s.
      await until("newcomers are told to come later", 9_000, async () => {
        const others = await Promise.all(Array.from({ length: 10 }, async () => await ask(false)));
        return others.includes(503) && others.every((each) => each === 0 || each === 503);
      });
      expect((await readiness(house, victim)).status, "the admin listener answers").toBeGreaterThan(0);
      expect(await ask(served)).toBe(usual);
    } finally {
      for (const socket of crowd) socket.destroy();
    }
    await until("newcomers are served again", 20_000, async () => (await ask(false)) === usual);
    await house.ready(victim);
    expect(house.pids(victim), "it went on by itself").toEqual([pid]);
    served.destroy();
  },
);

type Asked = { port: number; path: string; host: string; agent: Agent | false };

/** The status of an answer, 0 when the connection ended without one. */
async function status({ port, path, host, agent }: Asked): Promise<number> {
  const asked = get({ host: "127.0.0.1", port, path, agent, headers: { host }, timeout: 10_000 });
  asked.once("timeout", () => asked.destroy(new Error("no answer")));
  try {
    const [answer] = (await once(asked, "response")) as [import("node:http").IncomingMessage];
    answer.resume();
    await once(answer, "end");
    return answer.statusCode ?? 0;
  } catch {
    return 0;
  }
}
