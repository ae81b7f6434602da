// The CA is replaced under load, and the runner killed in the middle of it: people, tasks and new VMs notice nothing.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { checkout } from "../e2e/system.ts";
import { openHouse, until } from "./house.ts";
import { Balanced } from "./second-gateway.ts";

const LIFE_MS = 5_000;
const PAUSE_MS = 20;

/** A server without libraries that answers requests, and echoes what WebSocket clients say (masked, short frames: RFC 6455 5.2). */
const server = `import { createServer } from "node:http";
import { createHash } from "node:crypto";
const app = createServer((request, answer) => answer.end("inside"));
app.on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const accept = createHash("sha1").update(key).digest("base64");
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: " + accept + "\\r\\n\\r\\n");
  let left = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    left = Buffer.concat([left, chunk]);
    for (let size; left.length >= 6 && left.length >= 6 + (size = left[1] & 127); left = left.subarray(6 + size)) {
      const text = Buffer.from(left.subarray(6, 6 + size));
      for (let at = 0; at < size; at++) text[at] ^= left[2 + (at & 3)];
      socket.write(Buffer.concat([Buffer.from([0x81, size]), text]));
    }
  });
});
app.listen(3000);
`;

type Load = AsyncDisposable & { asked: number; wrong: string[]; echoed: number; sent: number; closed: boolean };

/** Asks a Gitspace's server again and again, over one connection and over new ones, and counts over one WebSocket beside that. */
async function startLoad(port: number, host: string, cookie: string): Promise<Load> {
  const stop = new AbortController();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { host, cookie, origin: `http://${host}` } });
  await once(socket, "open");
  const load = { asked: 0, wrong: [] as string[], echoed: 0, sent: 0, closed: false };
  socket.on("message", (data: Buffer) =>
    Number(data.toString()) === load.echoed ? load.echoed++ : (load.echoed = -1e9),
  );
  socket.on("close", () => (load.closed = true));
  socket.on("error", (error) => load.wrong.push(error.message));
  const pool = new Agent({ keepAlive: true });
  const ask = async (agent: Agent | false): Promise<void> => {
    const asked = request({ host: "127.0.0.1", port, headers: { host, cookie }, agent });
    asked.end();
    const [answer] = (await once(asked, "response", { signal: AbortSignal.timeout(5_000) })) as [IncomingMessage];
    let body = "";
    for await (const chunk of answer) body += String(chunk);
    if (answer.statusCode !== 200 || body !== "inside") load.wrong.push(`${answer.statusCode} ${body.slice(0, 200)}`);
  };
  const asking = [false as const, pool].map(async (agent) => {
    while (!stop.signal.aborted) {
      load.asked++;
      await ask(agent).catch((error: unknown) => load.wrong.push(String(error)));
      await sleep(PAUSE_MS);
    }
  });
  const counting = (async () => {
    for (; !stop.signal.aborted && !load.closed; await sleep(PAUSE_MS)) socket.send(String(load.sent++));
  })();
  return Object.assign(load, {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all([...asking, counting]);
      socket.terminate();
      pool.destroy();
    },
  });
}

test("I5 E1: requests, a WebSocket and new Gitspaces go on over a rotation of the CA in which the runner is killed at each step", async () => {
  await using house = await openHouse({ env: { GITSPACES_CERTIFICATE_LIFE_MS: String(LIFE_MS) } });
  const repository = house.repository("rotation", {
    "README.md": "# rotation\n",
    "serve.mjs": server,
    ".devcontainer.json": JSON.stringify({ postStartCommand: "setsid node serve.mjs & sleep 0.3" }),
  });
  const { identifier: id } = await house.api.create(repository);
  const port = house.system.portBase + 1;
  const host = `3000--${id}.gitspaces.localhost:${port}`;
  const browser = new Balanced();
  await browser.follow(await house.api.signInLink(id), port);
  await until(
    "the server inside answers",
    10_000,
    async () => (await browser.follow(`http://${host}/`, port)).body === "inside",
  );
  const cookie = browser.cookies(host);
  await using load = await startLoad(port, host, cookie);

  const caFile = (name: string) => readFileSync(join(house.data, "ca", name), "utf8");
  const before = caFile("fingerprint");
  const rotate = (...more: string[]) =>
    execFileSync(join(checkout, "bin/gitspaces-runner"), ["rotate-ca", "--data", house.data, ...more], {
      encoding: "utf8",
    });
  const phase = () => (JSON.parse(caFile("progress.json")) as { phase: string }).phase;
  const points = ["runner.afterCaAnnounced", "runner.afterCaSwitched", "runner.afterCaDropped"];
  for (const point of points) house.arm(point, "kill");
  expect(rotate()).toContain("The rotation has begun");
  await until(
    "the next CA issues",
    20_000,
    () => house.hasPassed("runner.afterCaSwitched") && caFile("fingerprint") !== before,
  );
  await house.ready("runner");
  // A task goes through delegate and gateway, and a VM of the new CA through all, while both are trusted.
  const { identifier: second } = await house.api.create(repository);
  await until("the last CA is dropped", 20_000, () => house.hasPassed("runner.afterCaDropped") && phase() === "none");
  await house.ready("runner");
  // Everybody holds certificates of the new CA alone, and one more task finds its way.
  await sleep(LIFE_MS / 2);
  expect((await house.api.stop(second)).state).toBe("stopped");
  const held = ["gateway", "delegate"].map(
    (name) => JSON.parse(caFile(`../${name}/certificate.json`)) as { ca: string },
  );
  expect(held.map(({ ca }) => ca)).toEqual([caFile("ca.cert.pem"), caFile("ca.cert.pem")]);

  for (const daemon of ["gateway", "delegate", "runner"]) {
    const figures = await (
      await fetch(`http://127.0.0.1:${house.system.ready.ports[`${daemon}_admin`]}/metrics`)
    ).text();
    expect(Number(/^gitspaces_certificate_days_left (\S+)$/m.exec(figures)?.[1])).toBeGreaterThan(0);
  }

  expect([load.wrong, load.closed]).toEqual([[], false]);
  await until("every number came back in order", 5_000, () => load.echoed > 0 && load.sent - load.echoed < 5);
  expect(rotate("--status")).toContain("No rotation is going on.");
  expect(load.asked).toBeGreaterThan(200);
});
