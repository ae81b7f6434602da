// The whole system as a newcomer starts it: `bin/up` in a data folder of its own, real processes, real Redis.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Failure } from "@gitspaces/contracts";
import { provider, providers } from "./provider.ts";

export const checkout = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const run = promisify(execFile);

export type Ready = {
  state: "ready";
  ui: string;
  gitspace: { id: string; url: string; sign_in_url: string } | null;
  took_ms: number;
  data: string;
  ports: Record<string, number>;
};
/** What `bin/up` leaves in the data folder for its clients. */
export type UpFile = {
  ui: string;
  data: string;
  admin_token_file: string;
  host_address: string;
  ports: Record<string, number>;
};

export type System = {
  ready: Ready;
  up: UpFile;
  adminToken: string;
  portBase: number;
};

/** A port base below those that Linux gives to outgoing connections; a collision makes `bin/up` refuse, which is seen at once. */
export function somePortBase(): number {
  return 20_000 + Math.floor(Math.random() * 600) * 20;
}

/** The last line that `bin/up --json` prints. */
export async function up(
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number | null; last: Ready | { failure: Failure }; output: string }> {
  const child = spawn(join(checkout, "bin/up"), ["--json", ...args], {
    env: { ...process.env, GITSPACES_PROVIDER: provider.kind, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  const line = stdout.trim().split("\n").at(-1) ?? "";
  if (!line.startsWith("{")) throw new Error(`bin/up ended with ${code} and no JSON line:\n${output}`);
  return { code, last: JSON.parse(line) as Ready | { failure: Failure }, output };
}

/** Stops everything that runs on a data folder. */
export async function down(data: string): Promise<void> {
  await run(join(checkout, "bin/down"), ["--data", data]);
}

/** A temporary data folder. */
export function newDataFolder(): string {
  return mkdtempSync(join(tmpdir(), "gitspaces-"));
}

type StartOptions = { vmHostPorts?: number[]; sample?: boolean; data?: string; env?: NodeJS.ProcessEnv };

/** Starts a system, detached. `vmHostPorts` are ports of this machine that its Gitspaces may reach, `env` is given to `bin/up`. */
export async function startSystem({
  vmHostPorts = [],
  sample = false,
  data = newDataFolder(),
  env = {},
}: StartOptions = {}): Promise<System> {
  const portBase = somePortBase();
  const args = ["--detach", "--data", data, "--port-base", String(portBase), ...(sample ? [] : ["--no-sample"])];
  const { last, output } = await up(args, {
    GITSPACES_VM_HOST_PORTS: vmHostPorts.join(","),
    // What is deleted is gone at once, so that what is left over is seen; tests of the grace say otherwise.
    GITSPACES_DELETE_GRACE_MS: "0",
    ...env,
  });
  if ("failure" in last) throw new Error(`bin/up failed: ${last.failure.message}\n${output}`);
  const upFile = JSON.parse(readFileSync(join(data, "up.json"), "utf8")) as UpFile;
  return { ready: last, up: upFile, adminToken: readFileSync(upFile.admin_token_file, "utf8").trim(), portBase };
}

/** Stops a system and removes its data. `kind` is what its VMs are. */
export async function removeSystem(data: string, kind = provider.kind): Promise<void> {
  await down(data);
  await providers[kind].removeData(data);
}
