import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { endGatewayProcesses } from "./gateway-processes.ts";
import { identify } from "./process-identity.ts";

test("a process that a gateway left behind is ended; a pid that is somebody else's by now is let alone", async () => {
  const data = mkdtempSync(join(tmpdir(), "gateway-processes-"));
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rmSync(data, { recursive: true }));
  const [left, other] = [spawn("sleep", ["60"]), spawn("sleep", ["60"])];
  opened.defer(() => void other.kill("SIGKILL"));
  const ended = once(left, "exit");
  const folder = join(data, "gateway", "processes");
  mkdirSync(folder, { recursive: true });
  const told = { ...identify(left.pid ?? 0), role: "old", since: 1 };
  writeFileSync(join(folder, `${left.pid}.json`), JSON.stringify(told));
  writeFileSync(join(folder, `${other.pid}.json`), JSON.stringify({ ...told, pid: other.pid, started: "another" }));
  writeFileSync(join(folder, "1.json"), "{");
  expect(await endGatewayProcesses(data, 5_000)).toEqual(["gateway"]);
  expect(await ended).toEqual([null, "SIGTERM"]);
  expect(other.exitCode).toBeNull();
  expect(await endGatewayProcesses(data, 5_000)).toEqual([]);
});

test("a data folder without a gateway has nobody to end", async () => {
  expect(await endGatewayProcesses(join(tmpdir(), "no-such-folder"), 1)).toEqual([]);
});
