// What the tests know of the kind of VM they run on, in one place: GITSPACES_TEST_PROVIDER, `process` or `docker`.
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export type TestProvider = {
  kind: "process" | "docker";
  /** Test files about the other kind. */
  excluded: string[];
  /** The kind of a pool, and what its VMs hold before they wait. */
  pool: (preload?: string[]) => Record<string, unknown>;
  /** Before the first start of a data folder: what all the tests of a run need of its VMs. */
  prepare: (data: string) => Promise<void>;
  /** The VMs of a Gitspace and its home disk, as far as they are still there; the disk by the Gitspace's id. */
  leftOf: (data: string, id: string) => Promise<string[]>;
  /** How many parts `leftOf` finds while the Gitspace runs: on processes the home lies in its VM. */
  partsWhileRunning: number;
  /** A host and port that a VM may ask and where nobody listens; a VM with an engine of its own is not asked on its loopback. */
  silentHost: (gitHost: string) => string;
  /** Removes everything of a data folder after `bin/down`. */
  removeData: (data: string) => Promise<void>;
};

const onProcesses: TestProvider = {
  kind: "process",
  // Where there are no containers there are no dev containers.
  excluded: ["**/devcontainer*.e2e.ts"],
  partsWhileRunning: 1,
  silentHost: () => "127.0.0.1:1",
  pool: () => ({ type: "process" }),
  prepare: () => Promise.resolve(),
  leftOf(data, id) {
    const visible = (folder: string) => readdirSync(join(data, folder)).filter((name) => !name.startsWith("."));
    const vms = visible("vms").filter((name) => {
      const record = join(data, "vms", name, "record.json");
      return existsSync(record) && readFileSync(record, "utf8").includes(id);
    });
    return Promise.resolve([...vms, ...visible("homes").filter((name) => name.startsWith(id))]);
  },
  removeData(data) {
    rmSync(data, { recursive: true, force: true });
    return Promise.resolve();
  },
};

const onDocker: TestProvider = {
  kind: "docker",
  // What lies before the tunnel does not know what its VMs are.
  excluded: ["**/in-place*.e2e.ts", "**/https.e2e.ts"],
  partsWhileRunning: 2,
  silentHost: (gitHost) => `${gitHost}:1`,
  pool: (preload = [DEV_CONTAINER_IMAGE]) => ({ type: "docker", spec: { preload: { images: preload } } }),
  async prepare(data) {
    await docker("build", "--quiet", "--tag", MUSL_IMAGE, join(import.meta.dirname, "../fixtures/musl-image"));
    const instance = { name: "default", default: true, warm: 1, max: 20 };
    const preload = [DEV_CONTAINER_IMAGE, "debian:bookworm-slim", MUSL_IMAGE];
    // JSON is YAML too.
    const instances = [{ ...instance, ...onDocker.pool(preload) }];
    writeFileSync(join(data, "pool.yml"), JSON.stringify({ version: "1", instances }));
  },
  async leftOf(data, id) {
    const prefix = `gs.${installationOf(data)}.`;
    const mine = `label=gs-installation=${installationOf(data)}`;
    const volumes = await names("volume", "ls", "--filter", mine, "--format", "{{.Name}} {{.Labels}}");
    const containers = await names("ps", "--all", "--filter", mine, "--format", "{{.Names}} {{.Labels}}");
    // A VM's labels are its container's, and those of the volumes that carry its later versions.
    const owned = [...volumes, ...containers].filter((line) => line.startsWith(`${prefix}vm.`) && line.includes(id));
    const nameOf = (line: string) => line.split(" ", 1)[0] ?? "";
    const vms = containers.map(nameOf).filter((name) => owned.some((line) => line.startsWith(name)));
    return [...vms, ...volumes.map(nameOf).flatMap((name) => (name === `${prefix}disk.${id}` ? [id] : []))];
  },
  async removeData(data) {
    if (!existsSync(join(data, "installation"))) return rmSync(data, { recursive: true, force: true });
    const mine = `label=gs-installation=${installationOf(data)}`;
    const removeAll = async (ids: string[], ...command: string[]) => {
      if (ids.length > 0) await docker(...command, ...ids);
    };
    await removeAll(await names("ps", "--all", "--quiet", "--filter", mine), "rm", "--force", "--volumes");
    await removeAll(await names("volume", "ls", "--quiet", "--filter", mine), "volume", "rm");
    await removeAll(await names("network", "ls", "--quiet", "--filter", mine), "network", "rm");
    rmSync(data, { recursive: true, force: true });
  },
};

/** The image of a Gitspace that names none. */
export const DEV_CONTAINER_IMAGE = "gitspaces/dev-container:latest";

/** An image with a C library that is not glibc, made by the tests. */
export const MUSL_IMAGE = "gitspaces-test/musl:latest";

/** Asks the engine of the tests. */
export async function docker(...args: string[]): Promise<string> {
  const command = existsSync("/usr/bin/docker") ? "/usr/bin/docker" : "docker";
  return (await run(command, args, { maxBuffer: 20_000_000 })).stdout;
}

async function names(...args: string[]): Promise<string[]> {
  return (await docker(...args)).split("\n").filter((line) => line !== "");
}

/** The installation of a data folder. */
export function installationOf(data: string): string {
  return readFileSync(join(data, "installation"), "utf8").trim();
}

export const providers = { process: onProcesses, docker: onDocker };
const kinds: Record<string, TestProvider> = providers;
const wanted = process.env["GITSPACES_TEST_PROVIDER"] ?? "process";
const found = kinds[wanted];
if (found === undefined) throw new Error(`GITSPACES_TEST_PROVIDER should be process or docker, and is "${wanted}"`);

/** The one under test in this run. */
export const provider: TestProvider = found;
