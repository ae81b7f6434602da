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

/** What a container needs to stand in for a VM. */
export const rights = [
  ...["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "MKNOD"].flatMap((name) => ["--cap-add", name]),
  ...["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined", "--cgroupns=private"],
];

/** The images of this checkout; built when they are not there. */
export const images = async () => await ensureVmImage({ env, signal: AbortSignal.timeout(BUILD_MS) });

/** Runs `docker` with these arguments and gives what it wrote; rejects, with its complaint, when it fails. */
export async function docker(...args: string[]): Promise<string> {
  const { stdout, stderr } = await execute("docker", args, { env, timeout: 60_000, maxBuffer: 16 << 20 });
  return args[0] === "logs" ? stdout + stderr : stdout.trim();
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
    /** Starts a container and gives its name. */
    async run(name: string, args: readonly string[]): Promise<string> {
      const full = `${prefix}-${name}`;
      made.push(full);
      await docker("run", "--detach", "--name", full, "--network", network, ...args);
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
