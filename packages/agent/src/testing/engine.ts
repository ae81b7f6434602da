// The engine that tests of dev containers use as if it were the VM's own.
import { existsSync } from "node:fs";
import { createLog } from "@gitspaces/daemon";
import { Engine } from "../dev-container/engine.ts";
import { answersPing } from "../dev-container/engine-socket.ts";

const usual = ["/var/run/docker.sock", "/run/gitspaces-test-engine/docker.sock"];

/** The `DOCKER_HOST` of an engine that answers. @throws with the sentence how to get one. */
export async function testEngineHost(): Promise<string> {
  const there = usual.find((path) => existsSync(path));
  const host = process.env["DOCKER_HOST"] ?? (there === undefined ? undefined : `unix://${there}`);
  if (host !== undefined && (await answersPing(host))) return host;
  throw new Error(
    `No Docker engine answers at ${host ?? usual.join(" or ")}: set DOCKER_HOST, or run bin/test, which starts one.`,
  );
}

/** PATH with the distribution's own programs first: its `docker` client knows all that its engine does. */
export const ENGINE_PATH = `/usr/bin:${process.env["PATH"] ?? "/bin"}`;

/** The running test engine. It is shared: name what you make with a prefix of your own, and remove it. */
export async function openTestEngine(): Promise<Engine> {
  return new Engine({
    command: undefined,
    host: await testEngineHost(),
    env: { PATH: ENGINE_PATH, HOME: "/nonexistent" },
    log: createLog("agent", "silent"),
  });
}
