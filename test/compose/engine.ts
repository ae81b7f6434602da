// The Docker engine of the tests, asked by its own command.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";

const run = promisify(execFile);
// A client as old as the engine, where there are several, has the builder that users of docker-compose 1.29 have.
const client = existsSync("/usr/bin/docker") ? "/usr/bin/docker" : "docker";

/** The path of the engine's socket. @throws when DOCKER_HOST names none. */
export function engineSocket(): string {
  const host = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  if (!host.startsWith("unix://")) throw new Error(`The tests need an engine's socket; DOCKER_HOST is ${host}.`);
  return host.slice("unix://".length);
}

/** What a command of docker prints, without the last line's end. It builds with the older builder. @throws with what it said. */
export async function docker(...args: string[]): Promise<string> {
  return await ask(args, "0");
}

/** The same, with BuildKit. */
export async function buildWithBuildKit(args: string[]): Promise<string> {
  return await ask(args, "1");
}

async function ask(args: string[], buildKit: "0" | "1"): Promise<string> {
  const env = { ...process.env, DOCKER_BUILDKIT: buildKit };
  const { stdout } = await run(client, args, { maxBuffer: 20_000_000, env });
  return stdout.trim();
}
