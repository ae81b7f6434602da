// A VM of the docker provider as its tests need it: a container of the real image with the rights it is documented to need.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { ensureVmImage } from "../../packages/local/src/vm-image.ts";

const execute = promisify(execFile);
const testEngine = "unix:///run/gitspaces-test-engine/docker.sock";
const env: NodeJS.ProcessEnv = { ...process.env, DOCKER_HOST: process.env["DOCKER_HOST"] || testEngine };
const BUILD_MS = 9 * 60_000;

/** What a container needs to stand in for a VM, with `--cgroupns=private` where it has no service manager. */
export const rights = [
  ...["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "MKNOD"].map((name) => `--cap-add=${name}`),
  "--security-opt=seccomp=unconfined",
  "--security-opt=apparmor=unconfined",
];

/** The images of this checkout; built when they are not there. */
export const images = async () => await ensureVmImage({ env, signal: AbortSignal.timeout(BUILD_MS) });

/** Runs `docker` with these arguments and gives what it wrote; rejects, with its complaint, when it fails. */
export async function docker(...args: string[]): Promise<string> {
  const { stdout, stderr } = await execute("docker", args, { env, timeout: 60_000, maxBuffer: 16 << 20 });
  return args[0] === "logs" ? stdout + stderr : stdout.trim();
}

type BuildOf = { dockerfile: string; folder: string; args: Record<string, string> };

/** Builds an image of a folder and a Dockerfile beside it. */
export async function build(tag: string, { dockerfile, folder, args }: BuildOf): Promise<void> {
  const given = Object.entries(args).map(([name, value]) => `--build-arg=${name}=${value}`);
  await execute("docker", ["build", "--quiet", "--tag", tag, "--file", dockerfile, ...given, folder], {
    env: { ...env, DOCKER_BUILDKIT: "0" },
    timeout: BUILD_MS,
  });
}

/** Copies an image into the engine inside a VM. */
export async function loadInto(vm: string, image: string): Promise<void> {
  await execute("sh", ["-c", 'docker save "$1" | docker exec -i "$2" docker load', "sh", image, vm], {
    env,
    timeout: 60_000,
  });
}

/** A network and containers of one test file; disposing removes all of them, with their volumes. */
export async function openMachines() {
  const prefix = `gs-image-test-${randomBytes(4).toString("hex")}`;
  const network = `${prefix}-network`;
  await docker("network", "create", network);
  const made: string[] = [];
  return {
    network,
    /** Starts a container and gives its name; `prepare` has it before it runs. */
    async run(name: string, args: readonly string[], prepare = async (_name: string) => {}): Promise<string> {
      const full = `${prefix}-${name}`;
      made.push(full);
      await docker("create", "--name", full, "--network", network, ...args);
      await prepare(full);
      await docker("start", full);
      return full;
    },
    async [Symbol.asyncDispose]() {
      if (made.length > 0) await docker("rm", "--force", "--volumes", ...made);
      await docker("network", "rm", network);
    },
  };
}

/** Asks until the answer is right; at the end rejects with the last one. */
export async function until<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean, withinMs = 10_000): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (isRight(answer)) return answer;
    if (performance.now() > deadline) throw new Error(`After ${withinMs} ms still: ${JSON.stringify(answer)}`);
    await sleep(100);
  }
}
