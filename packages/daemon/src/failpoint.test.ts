import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { failpoint, readFailpoints, withFailpoints } from "./failpoint.ts";

const run = promisify(execFile);
const program = `
  import { failpoint, withFailpoints } from ${JSON.stringify(new URL("./failpoint.ts", import.meta.url).pathname)};
  const disk = withFailpoints("runner", { async write() { console.log("written"); return 7; } }, { write: "Write" });
  failpoint("runner.begin");
  console.log(await disk.write());
`;

async function ending(env: Record<string, string>): Promise<{ stdout: string; signal: string | null }> {
  const args = ["--input-type=module-typescript", "--disable-warning=ExperimentalWarning", "--eval", program];
  return await run(process.execPath, args, { env: { PATH: process.env["PATH"], ...env } }).then(
    ({ stdout }) => ({ stdout, signal: null }),
    (error: { stdout: string; signal: string | null }) => error,
  );
}

test("a process that was not started for it passes every failpoint, and its ports are the ports themselves", () => {
  const port = { call: async () => 1 };
  expect(withFailpoints("runner", port, { call: "Call" })).toBe(port);
  expect(() => failpoint("runner.anything")).not.toThrow();
});

test("GITSPACES_FAILPOINT=name:kill ends the process at that place and at no other", async () => {
  expect(await ending({ GITSPACES_FAILPOINT: "runner.beforeWrite:kill" })).toMatchObject({
    stdout: "",
    signal: "SIGKILL",
  });
  expect(await ending({ GITSPACES_FAILPOINT: "runner.afterWrite:kill" })).toMatchObject({
    stdout: "written\n",
    signal: "SIGKILL",
  });
  expect(await ending({ GITSPACES_FAILPOINT: "runner.elsewhere:kill" })).toEqual({
    stdout: "written\n7\n",
    signal: null,
  });
});

test("a failpoint armed by a file acts once", async () => {
  const folder = mkdtempSync(join(tmpdir(), "failpoints-"));
  writeFileSync(join(folder, "runner.begin"), "kill\n");
  expect((await ending({ GITSPACES_FAILPOINT_FOLDER: folder })).signal).toBe("SIGKILL");
  expect(readFileSync(join(folder, "runner.begin"), "utf8")).toBe("passed");
  expect(await ending({ GITSPACES_FAILPOINT_FOLDER: folder })).toEqual({ stdout: "written\n7\n", signal: null });
});

test("a trace tells every failpoint that was passed, in order", async () => {
  const folder = mkdtempSync(join(tmpdir(), "failpoints-"));
  writeFileSync(join(folder, "trace"), "");
  await ending({ GITSPACES_FAILPOINT_FOLDER: folder });
  expect(readFileSync(join(folder, "trace"), "utf8")).toBe("runner.begin\nrunner.beforeWrite\nrunner.afterWrite\n");
});

test("an action that does not exist is refused, and so is every failpoint in production", () => {
  expect(() => readFailpoints({ GITSPACES_FAILPOINT: "runner.begin:explode" })).toThrow(/kill, stop, error/);
  expect(() => readFailpoints({ GITSPACES_FAILPOINT: "runner.begin:kill", NODE_ENV: "production" })).toThrow(/tests/);
});
