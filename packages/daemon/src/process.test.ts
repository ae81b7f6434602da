import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";

const module = JSON.stringify(new URL("./process.ts", import.meta.url).href);

function run(program: string, env: Record<string, string> = {}) {
  const args = ["--input-type=module", "-e", `import { runDaemon } from ${module};${program}`];
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env } });
  let output = "";
  let complaint = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
  const until = async (text: string) => {
    while (!output.includes(text)) await once(child.stdout, "data");
  };
  return { child, until, output: () => output, complaint: () => complaint };
}

const alive = "const timer = setInterval(() => {}, 1000);";

test("a signal stops a daemon gracefully", async () => {
  const daemon = run(
    `await runDaemon("d", async (log) => { ${alive} return { async [Symbol.asyncDispose]() { clearInterval(timer); log.info("closed"); } }; });`,
  );
  await daemon.until("d ready");
  daemon.child.kill("SIGTERM");
  expect(await once(daemon.child, "exit")).toEqual([0, null]);
  expect(daemon.output()).toContain("closed");
});

test("a second signal ends a stop that hangs", async () => {
  const daemon = run(
    `await runDaemon("d", async () => { ${alive} return { [Symbol.asyncDispose]: () => new Promise(() => {}) }; });`,
  );
  await daemon.until("d ready");
  daemon.child.kill("SIGINT");
  await daemon.until("stopping");
  daemon.child.kill("SIGINT");
  expect(await once(daemon.child, "exit")).toEqual([130, null]);
});

test("a start that fails says why in words and exits 1", async () => {
  const contracts = JSON.stringify(import.meta.resolve("@gitspaces/contracts"));
  const daemon = run(
    `import { fail } from ${contracts}; await runDaemon("d", async () => { throw fail("bad_request", "Redis evicts keys; set maxmemory-policy noeviction."); });`,
  );
  expect(await once(daemon.child, "close")).toEqual([1, null]);
  expect(daemon.complaint()).toContain("Redis evicts keys; set maxmemory-policy noeviction.\n");
  expect(daemon.output()).toContain('"msg":"could not start"');
});

test.each([
  ["a level of log that does not exist", { GITSPACES_LOG_LEVEL: "loud" }, "GITSPACES_LOG_LEVEL"],
  [
    "a failpoint in production",
    { GITSPACES_FAILPOINT: "d.afterStart:kill", NODE_ENV: "production" },
    "GITSPACES_FAILPOINT",
  ],
])("%s is refused with one line that names the variable", async (_what, env, variable) => {
  const config = JSON.stringify(new URL("./config.ts", import.meta.url).href);
  const zod = JSON.stringify(import.meta.resolve("zod"));
  const daemon = run(
    `import { commonConfig, loadConfig } from ${config}; import { z } from ${zod};
     await runDaemon("d", async () => { loadConfig(z.object({ logLevel: commonConfig.logLevel })); ${alive} return { async [Symbol.asyncDispose]() { clearInterval(timer); } }; });`,
    env,
  );
  expect(await once(daemon.child, "close")).toEqual([1, null]);
  expect(
    daemon
      .complaint()
      .split("\n")
      .filter((line) => line.includes("GITSPACES_")),
  ).toEqual([expect.stringContaining(variable)]);
});

test("E17: a rejection that nobody heard is logged, and the daemon goes on", async () => {
  const daemon = run(
    `await runDaemon("d", async (log) => { ${alive} void Promise.reject(new Error("lost")); setTimeout(() => log.info("went on"), 50); return { async [Symbol.asyncDispose]() { clearInterval(timer); } }; });`,
  );
  await daemon.until("went on");
  expect(daemon.output()).toContain("a promise was rejected and nobody listened");
  daemon.child.kill("SIGTERM");
  expect(await once(daemon.child, "exit")).toEqual([0, null]);
});

test("E17: an error that nobody caught is logged and ends the daemon with 1, for its supervisor to start it anew", async () => {
  const daemon = run(
    `await runDaemon("d", async () => { ${alive} setTimeout(() => { throw new Error("broken"); }, 20); return { async [Symbol.asyncDispose]() {} }; });`,
  );
  expect(await once(daemon.child, "exit")).toEqual([1, null]);
  expect(daemon.output()).toContain("an error that nobody caught");
});
