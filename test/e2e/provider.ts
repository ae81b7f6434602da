// What the tests know of the kind of VM they run on, in one place: GITSPACES_TEST_PROVIDER, `process` or `docker`.
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export type TestProvider = {
  kind: "process" | "docker";
  /** What a broken devcontainer.json does: the start fails, or a recovery container lets the person in. */
  brokenConfiguration: "fails" | "recovers";
  /** Below a pool's name and numbers in pool.yml. */
  poolSpec: (preload?: string[]) => Record<string, unknown>;
  /** The VMs of a Gitspace and its home disk, as far as they are still there; the disk by the Gitspace's id. */
  leftOf: (data: string, id: string) => Promise<string[]>;
  /** How many parts `leftOf` finds while the Gitspace runs: on processes the home lies in its VM. */
  partsWhileRunning: number;
  /** Removes everything of a data folder after `bin/down`. */
  removeData: (data: string) => Promise<void>;
};

const onProcesses: TestProvider = {
  kind: "process",
  brokenConfiguration: "fails",
  partsWhileRunning: 1,
  poolSpec: () => ({ type: "process" }),
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
  brokenConfiguration: "recovers",
  partsWhileRunning: 2,
  poolSpec: (preload = [DEV_CONTAINER_IMAGE]) => ({ type: "docker", spec: { preload: { images: preload } } }),
  async leftOf(data, id) {
    const mine = `label=gs-installation=${installationOf(data)}`;
    const containers = await names("ps", "--all", "--filter", mine, "--format", "{{.Names}}");
    const volumes = await names("volume", "ls", "--filter", mine, "--format", "{{.Name}} {{.Labels}}");
    const disks = volumes.filter((line) => line.includes(`gs-disk=${id}`)).map(() => id);
    const owned = volumes.filter((line) => line.includes(`gs-gitspace=${id}`));
    return [...containers.filter((name) => owned.some((line) => line.includes(name))), ...disks];
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

/** Asks the engine of the tests. */
export async function docker(...args: string[]): Promise<string> {
  const command = existsSync("/usr/bin/docker") ? "/usr/bin/docker" : "docker";
  return (await run(command, args, { maxBuffer: 20_000_000 })).stdout;
}

async function names(...args: string[]): Promise<string[]> {
  return (await docker(...args)).split("\n").filter((line) => line !== "");
}

function installationOf(data: string): string {
  return readFileSync(join(data, "installation"), "utf8").trim();
}

const kinds: Record<string, TestProvider> = { process: onProcesses, docker: onDocker };
const wanted = process.env["GITSPACES_TEST_PROVIDER"] ?? "process";
const found = kinds[wanted];
if (found === undefined) throw new Error(`GITSPACES_TEST_PROVIDER should be process or docker, and is "${wanted}"`);

/** The one under test in this run. */
export const provider: TestProvider = found;
