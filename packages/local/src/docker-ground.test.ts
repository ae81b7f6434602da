import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { expect, onTestFinished, test } from "vitest";
import type { DockerEngine } from "./docker-engine.ts";
import { dockerGround } from "./docker-ground.ts";

/** An engine with two running VMs; it answers the stop of the first as it is told to. */
function engineWith(stopFirst: () => Promise<unknown>): { engine: DockerEngine; stopped: string[] } {
  const stopped: string[] = [];
  const call: DockerEngine["call"] = async (_, path) => {
    if (path.startsWith("/containers/json")) return [{ Id: "first" }, { Id: "second" }];
    if (path.startsWith("/containers/first/stop")) return await stopFirst();
    stopped.push(path);
    return undefined;
  };
  return { engine: { host: "unix:///engine", call }, stopped };
}

function dataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "gs-ground-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "installation"), "local-abc123\n");
  return folder;
}

test("a VM that a cut removal takes away while VMs are turned off is off", async () => {
  const { engine, stopped } = engineWith(() => Promise.reject(fail("not_found", "No such container: first")));
  await dockerGround(engine).powerOffVms(dataFolder());
  expect(stopped).toEqual(["/containers/second/stop?t=10"]);
});

test("a VM that does not let itself be turned off is told", async () => {
  const { engine } = engineWith(() => Promise.reject(fail("internal", "cannot stop container: first")));
  await expect(dockerGround(engine).powerOffVms(dataFolder())).rejects.toThrow("cannot stop container: first");
});
