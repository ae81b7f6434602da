import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createLog } from "@gitspaces/daemon";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openCa } from "../ca.ts";
import { askForRotation, progressOf } from "./command.ts";
import { REQUEST, startRotating } from "./rotating.ts";

let data: string;
beforeEach(() => void (data = mkdtempSync(join(tmpdir(), "gs-rotate-"))));
afterEach(() => rmSync(data, { recursive: true, force: true }));

const program = fileURLToPath(new URL("../../../../bin/gitspaces-runner", import.meta.url));
const type = (...args: string[]) => {
  const { GITSPACES_DATA_FOLDER: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", env });
  return { status, stdout, stderr };
};

test("the request is taken up by the running runner, and a second one meets a rotation that is going on", async () => {
  const folder = join(data, "ca");
  const ca = await openCa(folder, "local-test", Date.now(), 10_000);
  const first = ca.fingerprint;
  const log = createLog("runner", "silent");
  const waiting = { name: "gateway/east", issuer: first, trusted: [first], at: 0, until: Date.now() + 60_000 };
  const members = { list: async () => ({ isWhole: true, present: [waiting] }) };
  await using opened = new AsyncDisposableStack();
  const rotating = {
    ca,
    folder,
    members,
    clock: { now: Date.now },
    log,
    onChange: async () => {},
  };
  opened.use(startRotating(rotating));
  expect(await askForRotation(folder)).toContain("The rotation has begun.\nThe next CA");
  await expect.poll(() => progressOf(folder, Date.now())).toContain("gateway/east is waited for");
  expect(type("rotate-ca", "--status", "--data", data)).toMatchObject({
    status: 0,
    stdout: expect.stringContaining(`is trusted beside ${first}`) as string,
  });
  expect(type("rotate-ca", "--data", data)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("A rotation is going on already.") as string,
  });
  expect(progressOf(folder, Date.now() + 120_000)).toContain("is it running?");
});

test("without a runner the request stays, and the operator is told so", async () => {
  const folder = join(data, "ca");
  await openCa(folder, "local-test", Date.now());
  await expect(askForRotation(folder, 200)).rejects.toMatchObject({ failure: { code: "timeout" } });
  expect(existsSync(join(folder, REQUEST))).toBe(true);
});

test.each([
  [["rotate-ca"], "Name the runner's data folder"],
  [["rotate-ca", "--data", "/nowhere"], "There is no certificate authority in /nowhere/ca"],
  [["rotate"], "There is no such command"],
  [["rotate-ca", "--force"], "--force"],
])("%j is refused with its reason", (args, reason) => {
  expect(type(...args)).toMatchObject({ status: 1, stdout: "", stderr: expect.stringContaining(reason) as string });
});
