// Whether this machine can give each VM its own namespaces and user.
import { spawnSync } from "node:child_process";
import { constants, accessSync } from "node:fs";
import { namePrefix } from "./address-plan.ts";
import { programEnvironment } from "./command.ts";

type Probe = { program: string; args: string[]; install: string };

const probeNamespace = `${namePrefix}try-${process.pid}`;
const probes: Probe[] = [
  { program: "ip", args: ["netns", "add", probeNamespace], install: "iproute2" },
  { program: "ip", args: ["netns", "delete", probeNamespace], install: "iproute2" },
  { program: "iptables", args: ["-w", "20", "-t", "nat", "-S"], install: "iptables" },
  { program: "nsenter", args: ["--version"], install: "util-linux" },
  { program: "setpriv", args: ["--version"], install: "util-linux" },
  {
    program: "bwrap",
    args: [
      "--unshare-pid",
      "--unshare-ipc",
      "--unshare-uts",
      "--ro-bind",
      "/",
      "/",
      "--proc",
      "/proc",
      "--dev",
      "/dev",
      "/bin/true",
    ],
    install: "bubblewrap",
  },
];

/** Tries what isolation needs. `why` is a sentence for people and names the cure where there is one. */
export function canIsolate(): { ok: true } | { ok: false; why: string } {
  if (process.platform !== "linux") return { ok: false, why: "namespaces need Linux" };
  if (process.getuid?.() !== 0) return { ok: false, why: "namespaces and a user of its own for each VM need root" };
  try {
    accessSync("/proc/sys/net/ipv4/ip_forward", constants.W_OK);
  } catch {
    return {
      ok: false,
      why: "the network settings in /proc/sys cannot be changed, as in a container without privileges",
    };
  }
  for (const { program, args, install } of probes) {
    const { status, error, stderr } = spawnSync(program, args, {
      encoding: "utf8",
      env: programEnvironment(),
      timeout: 20_000,
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (status === 0) continue;
    if (error !== undefined && "code" in error && error.code === "ENOENT") {
      return { ok: false, why: `${program} is not installed: apt-get install ${install}` };
    }
    return {
      ok: false,
      why: `${program} does not work on this machine: ${(stderr ?? "").trim().split("\n")[0] || String(error ?? status)}`,
    };
  }
  return { ok: true };
}
