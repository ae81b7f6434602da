// What runs inside runs as the person, with their environment, and leaves the engine's client untouched by it.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestContainer, testContainer } from "../testing/test-container.ts";
import { execArgs, runInside } from "./in-container.ts";
import { markedProcesses } from "./marked-processes.ts";

let box: TestContainer;
beforeAll(async () => {
  box = await testContainer();
});
afterAll(async () => await box[Symbol.asyncDispose]());

const soon = () => AbortSignal.timeout(20_000);

test("a program inside is the person's: their user, home, folder and environment", async () => {
  const container = { ...box.container, env: { GREETING: "good  day = #1", KEY: "-----BEGIN\nline\n-----END" } };
  const script = 'id -un; pwd; echo "$HOME"; echo "$GREETING"; echo "$KEY"; cat';
  const { code, output } = await runInside(box.engine, container, {
    args: ["sh", "-c", script],
    cwd: "/tmp",
    input: "said",
    signal: soon(),
  });
  expect({ code, output }).toEqual({
    code: 0,
    output: ["node", "/tmp", "/home/node", "good  day = #1", "-----BEGIN", "line", "-----END", "said"],
  });
});

test("the person's environment is in no argument and means nothing to the engine's client", async () => {
  const env = {
    LD_PRELOAD: "/no/such.so",
    DOCKER_HOST: "unix:///nowhere",
    DOCKER_CONFIG: "/nowhere\n",
    TOKEN: "sesame",
  };
  const container = { ...box.container, env };
  const command = execArgs(container, { args: ["env"] });
  expect(command.args.join(" ")).not.toContain("sesame");
  expect(command.env).toEqual({});
  const { output } = await runInside(box.engine, container, {
    args: ["printenv", "DOCKER_HOST", "TOKEN"],
    signal: soon(),
  });
  expect(output.filter((line) => !line.includes("ld.so"))).toEqual(["unix:///nowhere", "sesame"]);
  // The only complaint is of the loader inside.
  expect(output.filter((line) => line.includes("ld.so")).length).toBeLessThanOrEqual(1);
});

test("a user who may not log in still gets a shell", () => {
  const user = { ...box.container.user, shell: "/usr/sbin/nologin" };
  expect(execArgs({ ...box.container, user }, { args: ["env"] }).lent).toContain("SHELL=/bin/sh\n");
});

test("an abort ends the program inside with everything it started", async () => {
  const stop = new AbortController();
  const mark = randomUUID();
  const running = runInside(box.engine, box.container, {
    args: ["sh", "-c", "sleep 1000 & echo up; wait"],
    env: { OURS: mark },
    signal: stop.signal,
    onLine: () => stop.abort(new Error("enough")),
  });
  await expect(running).rejects.toThrow("enough");
  await expect.poll(() => markedProcesses(`OURS=${mark}`, box.container.pid)).toEqual([]);
});

test("what can not be run is told by its exit code", async () => {
  const { code } = await runInside(box.engine, box.container, { args: ["/no/such/program"], signal: soon() });
  expect([126, 127]).toContain(code);
});
