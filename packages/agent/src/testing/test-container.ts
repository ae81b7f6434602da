// A real container for tests, as the agent knows one that it has raised.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import type { Container } from "../dev-container/container.ts";
import type { Engine } from "../dev-container/engine.ts";
import { openTestEngine } from "./engine.ts";

const execute = promisify(execFile);

export type TestContainer = AsyncDisposable & {
  container: Container;
  engine: Engine;
  docker(...args: string[]): Promise<string>;
};

/** Runs `node:24-bookworm-slim` as its user `node`, or another image; `options` go to `docker run`. */
export async function testContainer(
  options: readonly string[] = [],
  {
    image = "node:24-bookworm-slim",
    user = { name: "node", uid: 1000, gid: 1000, home: "/home/node", shell: "/bin/bash" },
  } = {},
): Promise<TestContainer> {
  const engine = await openTestEngine();
  const docker = async (...args: string[]) =>
    (await execute("docker", args, { env: { ...process.env, ...engine.env }, timeout: 60_000 })).stdout.trim();
  const name = `gs-inside-${randomUUID().slice(0, 8)}`;
  const id = await docker("run", "--detach", "--init", "--name", name, ...options, image, "sleep", "1000");
  const pid = Number(await docker("inspect", "--format", "{{.State.Pid}}", id));
  const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
  return {
    engine,
    docker,
    container: {
      id,
      pid,
      user,
      workspaceFolder: user.home,
      env,
      libc: { kind: "glibc", version: "2.36" },
      customizations: { extensions: [], settings: {} },
      forwardPorts: [],
      portsAttributes: {},
      recovery: null,
      notApplied: [],
    },
    async [Symbol.asyncDispose]() {
      await docker("rm", "--force", "--volumes", id);
    },
  };
}
