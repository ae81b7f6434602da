import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeAuthority } from "./testing/certificates.ts";
import { startRedis } from "./testing/redis-server.ts";

let folder: string;
const started = new Set<ReturnType<typeof spawn>>();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gateway-main-"));
});
afterEach(() => {
  for (const child of started) child.kill("SIGKILL");
  started.clear();
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

function run(variables: Record<string, string>): {
  child: ReturnType<typeof spawn>;
  output: () => string;
  said: (words: string) => Promise<void>;
} {
  const env = Object.fromEntries(Object.entries(variables).map(([key, value]) => [`GITSPACES_${key}`, value]));
  // As every way of starting it does: what it needs while it waits is measured here.
  const child = spawn(process.execPath, [new URL("./main.ts", import.meta.url).pathname], {
    env: { ...env, MALLOC_ARENA_MAX: "2" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.add(child);
  let text = "";
  const heard = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      for (const listener of heard) listener();
    });
  }
  const said = (words: string): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const listen = (): void => {
      if (text.includes(words)) resolve();
    };
    heard.add(listen);
    child.once("exit", () => reject(new Error(`it ended before it said "${words}": ${text}`)));
    listen();
    return promise;
  };
  return { child, output: () => text, said };
}

test("the daemon starts without its control plane, says that it is ready, and stops when told", async () => {
  await using redis = await startRedis();
  const identity = makeAuthority("test").issue("gateway", "gateway");
  const { key, ...answer } = identity;
  mkdirSync(join(folder, "gateway"));
  write("gateway/key.pem", key);
  write("gateway/certificate.json", JSON.stringify(answer));
  const { child, said, output } = run({
    DATA_FOLDER: folder,
    INSTALLATION: "test",
    LISTEN: "127.0.0.1:0",
    TASKS_LISTEN: "127.0.0.1:0",
    SSH_LISTEN: "127.0.0.1:0",
    ADMIN_LISTEN: "127.0.0.1:0",
    CONTROL_PLANE_URL: "http://control.localhost:1",
    CONTROL_PLANE_PUBLIC_URL: "http://control.localhost:1",
    GATEWAY_TOKEN_FILE: write("token", "canary-token"),
    REDIS_URL: redis.url,
    ENROL_URL: "https://127.0.0.1:1",
    CA_FINGERPRINT_FILE: write("ca", "0".repeat(64)),
    ENROL_TOKEN_FILE: write("join", "canary-join"),
    SESSION_KEY_FILE: write("session", "ab".repeat(32)),
  });
  await said("gateway ready");
  const residentMb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1_024;
  expect(residentMb).toBeLessThan(130);
  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as [number];
  expect(code).toBe(0);
  expect(output()).not.toMatch(/canary/);
});

test("a CA fingerprint that the runner has not written yet is waited for, and used at once", async () => {
  const enrolment = createServer().listen(0, "127.0.0.1");
  await once(enrolment, "listening");
  const asked = once(enrolment, "connection");
  const { port } = enrolment.address() as AddressInfo;
  const { child } = run({
    DATA_FOLDER: folder,
    INSTALLATION: "test",
    CONTROL_PLANE_URL: "http://control.localhost:1",
    CONTROL_PLANE_PUBLIC_URL: "http://control.localhost:1",
    GATEWAY_TOKEN_FILE: write("token", "token"),
    REDIS_URL: "redis://127.0.0.1:1",
    ENROL_URL: `https://127.0.0.1:${port}`,
    CA_FINGERPRINT_FILE: join(folder, "ca", "fingerprint"),
    ENROL_TOKEN_FILE: write("join", "token"),
    SESSION_KEY_FILE: write("session", "ab".repeat(32)),
  });
  await sleep(2_500);
  mkdirSync(join(folder, "ca"));
  write("ca/fingerprint", "0".repeat(64));
  const since = performance.now();
  const [socket] = (await asked) as [Socket];
  expect(performance.now() - since).toBeLessThan(500);
  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as [number];
  expect(code).toBe(0);
  socket.destroy();
  enrolment.close();
});

test("a wrong configuration ends at once, with every wrong setting by name", async () => {
  const { child, output } = run({
    DATA_FOLDER: folder,
    INSTALLATION: "test",
    REDIS_URL: "http://x",
    PUBLIC_URL: "nowhere",
  });
  const [code] = (await once(child, "exit")) as [number];
  expect(code).toBe(1);
  expect(output()).toMatch(/GITSPACES_REDIS_URL .*redis:\/\//);
  expect(output()).toMatch(/GITSPACES_PUBLIC_URL .*http or https/);
  expect(output()).toMatch(/GITSPACES_SESSION_KEY_FILE .*missing/);
});
