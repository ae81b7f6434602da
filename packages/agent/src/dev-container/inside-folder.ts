// What of this VM a dev container gets to see, as two bind mounts: programs at /opt/gitspaces, sockets at /run/gitspaces.
// A program inside may be root there, and root without walls of its own: what it sees is read-only by its mount, but for one
// small folder of the person's user. The folder outlives the agent, as the containers do that have it mounted.
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { run } from "../command.ts";
import type { Container } from "./container.ts";

/** The places inside. */
export const INSIDE = {
  node: "/opt/gitspaces/bin/node",
  /** A small program that runs Node also where the image's C library is none that Node knows, once the IDE has been there. */
  anyNode: "/opt/gitspaces/lib/node",
  command: "/opt/gitspaces/bin/gitspaces",
  /** Holds the command alone, for the end of PATH. */
  path: "/opt/gitspaces/path",
  scripts: "/opt/gitspaces/lib",
  ide: "/opt/gitspaces/ide",
  run: "/run/gitspaces",
  door: "/run/gitspaces/door.sock",
  /** The one folder that the person's user may write to. */
  own: "/run/gitspaces/ide",
} as const;

export type InsideFolder = {
  /** The VM's own path of the Node that appears inside. */
  node: string;
  /** The version of this VM's glibc, for which everything that appears inside was compiled at the latest. */
  glibc: string;
  /** Values for the devcontainer CLI's `--mount`. */
  mounts: string[];
  /** What appears inside at `/opt/gitspaces`, as the agent may write it: programs. */
  tools: string;
  /** What appears inside at `/run/gitspaces`, as the agent may write it: sockets and settings; nothing there can be run. */
  sent: string;
  /** What appears inside at `/run/gitspaces/ide`: whatever is in it was made by somebody who is not to be trusted. */
  received: string;
};

const OWN_FOLDER_BYTES = "16m";
const MOUNT_DEADLINE_MS = 10_000;
const scripts = ["gitspaces.mjs", "furnish.mjs", "install-extensions.mjs", "probe.mjs", "ssh-listener.mjs"] as const;
const sources = join(import.meta.dirname, "../inside");

const modules = "node_modules";
const native = `linux-${process.arch}`;
/** Parts of the IDE that look at the image to choose between two builds. The Node they are loaded by always has glibc. */
const twins = [
  [`${modules}/argon2/prebuilds/${native}/argon2.glibc.node`, `${modules}/argon2/prebuilds/${native}/argon2.musl.node`],
  ...[`${modules}/code-server/lib/vscode/node_modules/@parcel/watcher-${native}`].map(
    (watcher) => [`${watcher}-glibc/watcher.node`, `${watcher}-musl/watcher.node`] as const,
  ),
] as const;

type Parts = {
  /** Of this VM, on a path that is the same after a restart of the agent; short, since sockets are in it. */
  folder: string;
  /** Holds code-server. */
  imageFolder: string;
  /** A Node that runs wherever the IDE is to run. */
  node: string;
};

/** Makes the folder, or completes one that is there. The mounts need a right to mount. @throws {FailureError} `internal` */
export async function openInsideFolder({ folder, imageFolder, node }: Parts): Promise<InsideFolder> {
  const places = placesOf(folder);
  const { tools, toolsSeen, sent, sentSeen, received } = places;
  for (const each of [toolsSeen, sentSeen, join(tools, "ide"), join(sent, "ide")]) mkdirSync(each, { recursive: true });
  chmodSync(folder, 0o700);
  writeTools(tools);
  const mounted = mountPoints();
  const ensure = async (target: string, args: string[]) => {
    if (!mounted.has(target)) await mount([...args, target]);
  };
  await ensure(toolsSeen, ["-o", "bind,ro,nosuid,nodev", tools]);
  await ensure(join(toolsSeen, "ide"), ["-o", "bind,ro,nosuid,nodev", imageFolder]);
  for (const [glibc, musl] of twins) {
    const [ours, other] = [join(imageFolder, glibc), join(toolsSeen, "ide", musl)];
    if (existsSync(ours) && existsSync(other)) await ensure(other, ["-o", "bind,ro,nosuid,nodev", ours]);
  }
  await ensure(join(toolsSeen, "bin/node"), ["-o", "bind,ro,nosuid,nodev", node]);
  await ensure(sentSeen, ["-o", "bind,ro,nosuid,nodev,noexec", sent]);
  await ensure(received, ["-t", "tmpfs", "-o", `size=${OWN_FOLDER_BYTES},nosuid,nodev,noexec,mode=0700`, "gitspaces"]);
  return {
    node,
    glibc: glibcOfVm(),
    mounts: [
      `type=bind,source=${toolsSeen},target=/opt/gitspaces`,
      `type=bind,source=${sentSeen},target=${INSIDE.run}`,
    ],
    tools,
    sent,
    received,
  };
}

/** The one that this process runs with. A VM without glibc has none that could be compared with. */
function glibcOfVm(): string {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ?? "999.0";
}

/** Gives the writable folder to the container's user. It is the root of a mount, so nobody inside can put a link in its place. */
export function giveOwnFolder({ received }: InsideFolder, { uid, gid }: Pick<Container["user"], "uid" | "gid">): void {
  chownSync(received, uid, gid);
}

/** Takes the mounts away again; containers that have them keep them. */
export async function closeInsideFolder(folder: string): Promise<void> {
  const mounted = [...mountPoints()].filter((point) => point.startsWith(`${folder}/`)).toReversed();
  const options = { cwd: "/", env: mountEnv, signal: AbortSignal.timeout(MOUNT_DEADLINE_MS) };
  for (const point of mounted) await run({ program: "umount", args: ["-l", "--", point], ...options });
}

function placesOf(folder: string) {
  return {
    tools: join(folder, "tools"),
    toolsSeen: join(folder, "tools-seen"),
    sent: join(folder, "sent"),
    sentSeen: join(folder, "seen"),
    received: join(folder, "seen/ide"),
  };
}

function writeTools(tools: string): void {
  for (const name of ["bin", "lib", "path"]) mkdirSync(join(tools, name), { recursive: true });
  for (const [name, place] of [
    ["gitspaces", "bin/gitspaces"],
    ["node", "lib/node"],
  ] as const) {
    copyFileSync(join(sources, name), join(tools, place));
    chmodSync(join(tools, place), 0o755);
  }
  for (const name of scripts) copyFileSync(join(sources, name), join(tools, "lib", name));
  // Node is mounted over it.
  writeFileSync(join(tools, "bin/node"), "", { flag: "a", mode: 0o755 });
  try {
    symlinkSync("../bin/gitspaces", join(tools, "path/gitspaces"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

const mountEnv = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

async function mount(args: string[]): Promise<void> {
  const signal = AbortSignal.timeout(MOUNT_DEADLINE_MS);
  const { code, output } = await run({ program: "mount", args, cwd: "/", env: mountEnv, signal });
  if (code !== 0)
    throw fail("internal", `What dev containers see of this VM could not be mounted: ${output.join(" ")}`);
}

function mountPoints(): Set<string> {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").trimEnd().split("\n");
  return new Set(lines.map((line) => line.split(" ")[4] ?? ""));
}
