// What a VM sees of the machine: a read-only system, its own folders, and nothing of anybody else. Pure.
import { AGENT_PORT } from "@gitspaces/contracts";
import type { VmAddresses } from "./address-plan.ts";
import { keptRunning } from "./init.ts";
import type { VmFolder } from "./record.ts";
import { folderVariable } from "./vm-processes.ts";

/** Where the agent, its libraries and Node come from. */
export type AgentSource = {
  /** Node that runs the agent. */
  node: string;
  /** Folders mounted read-only, outside → inside. */
  mounts: readonly { from: string; to: string }[];
  /** The agent's main file inside, and outside for VMs without a sandbox. */
  entryInside: string;
  entryOutside: string;
};

export type VmProcess = { program: string; args: string[]; env: Record<string, string>; cwd: string };

/** Parts of the machine's /etc that say nothing about its people and services. */
const sharedEtc = [
  "alternatives",
  "bash.bashrc",
  "ca-certificates",
  "ca-certificates.conf",
  "debian_version",
  "environment.d",
  "inputrc",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "localtime",
  "magic",
  "mime.types",
  "nanorc",
  "npmrc",
  "os-release",
  "pki",
  "profile",
  "profile.d",
  "protocols",
  "python3",
  "rpc",
  "services",
  "shells",
  "ssl",
  "terminfo",
  "timezone",
  "vim",
] as const;
const ownEtc = ["passwd", "group", "hosts", "hostname", "resolv.conf", "nsswitch.conf"] as const;
const systemFolders = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] as const;

/** bubblewrap makes the folders above a mount for root alone unless they are there before. */
const openFolders = [
  "/etc",
  "/var",
  "/var/lib",
  "/run/gitspaces",
  "/opt",
  "/opt/gitspaces",
  "/opt/gitspaces/bin",
  "/opt/gitspaces/packages",
] as const;

const inside = {
  homes: "/home",
  home: "/home/dev",
  state: "/var/lib/gitspaces",
  metadata: "/run/gitspaces/metadata.json",
  image: "/opt/image",
  node: "/opt/gitspaces/bin/node",
} as const;

type SandboxInput = {
  id: string;
  folder: VmFolder;
  addresses: VmAddresses;
  image: string;
  agent: AgentSource;
  /** Which of the folders in / are links on this machine, and where to (merged /usr). */
  systemLink: (name: string) => string | undefined;
  machineEnvironment: Record<string, string>;
};

/**
 * The command of an isolated VM. Root sets up the namespaces and mounts, then the VM's own user takes over without a
 * capability or a way to gain one: `no_new_privs` makes every setuid program an ordinary one.
 */
export function isolatedProcess(input: SandboxInput): VmProcess {
  const { id, folder, addresses, image, agent, systemLink, machineEnvironment } = input;
  const user = String(addresses.uid);
  const args = [
    [`--net=/run/netns/${addresses.name}`, "bwrap"],
    ["--unsetenv", folderVariable],
    ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", id],
    ["--ro-bind", "/usr", "/usr"],
    systemFolders.flatMap((name) => systemMount(name, systemLink(name))),
    ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"],
    ["--perms", "0755", "--tmpfs", "/run"],
    openFolders.flatMap((path) => ["--perms", "0755", "--dir", path]),
    ["--bind", folder.temporary, "/tmp", "--bind", folder.temporary, "/var/tmp"],
    sharedEtc.flatMap((name) => ["--ro-bind-try", `/etc/${name}`, `/etc/${name}`]),
    ownEtc.flatMap((name) => ["--ro-bind", `${folder.etc}/${name}`, `/etc/${name}`]),
    ["--bind", folder.homes, inside.homes, "--bind", folder.state, inside.state],
    ["--ro-bind", folder.metadata, inside.metadata, "--ro-bind", image, inside.image],
    agent.mounts.flatMap(({ from, to }) => ["--ro-bind", from, to]),
    ["--ro-bind", agent.node, inside.node, "--chdir", inside.state],
    ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"],
    ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"],
    keptRunning([inside.node, ...nodeFlags, agent.entryInside]),
  ].flat();
  const env = {
    ...machineEnvironment,
    [folderVariable]: folder.root,
    ...agentEnvironment(inside, `0.0.0.0:${AGENT_PORT}`, "namespace"),
    ...person(inside.home, "dev", "/tmp"),
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  };
  return { program: "nsenter", args, env, cwd: "/" };
}

type PlainInput = {
  folder: VmFolder;
  port: number;
  image: string;
  agent: AgentSource;
  user: string;
  path: string;
  machineEnvironment: Record<string, string>;
};

/** The command of a VM on a machine without isolation: the same agent, with the VM's folders where they are. */
export function plainProcess({ folder, port, image, agent, user, path, machineEnvironment }: PlainInput): VmProcess {
  const places = { home: folder.home, state: folder.state, metadata: folder.metadata, image };
  const env = {
    ...machineEnvironment,
    ...agentEnvironment(places, `127.0.0.1:${port}`, "none"),
    ...person(folder.home, user, folder.temporary),
    PATH: path,
  };
  const [program, ...args] = keptRunning([agent.node, ...nodeFlags, agent.entryOutside]);
  return { program, args, env, cwd: folder.state };
}

/** Names of the environment that say how this machine reaches the world and whom it trusts there. */
const proxyNames = ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
const trustNames = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE"];

/**
 * The only part of our own environment that a VM inherits: proxies, unless a password is in one, and certificate files that
 * are visible inside.
 */
export function inheritedEnvironment(env: Record<string, string | undefined>): Record<string, string> {
  const kept = Object.entries(env).filter(([name, value]) => {
    if (value === undefined) return false;
    if (proxyNames.includes(name)) return !value.includes("@");
    return trustNames.includes(name) && /^\/(?:etc\/ssl|usr)\/(?!.*\.\.)/.test(value);
  });
  return Object.fromEntries(kept) as Record<string, string>;
}

/** An agent mostly waits: a small nursery (measured, with the arenas: 16 MB less) costs it nothing. */
const nodeFlags = ["--max-semi-space-size=2", "--disable-warning=ExperimentalWarning"];

type Places = { home: string; state: string; metadata: string; image: string };

function agentEnvironment(places: Places, listen: string, isolation: string): Record<string, string> {
  return {
    GITSPACES_METADATA_FILE: places.metadata,
    GITSPACES_STATE_FOLDER: places.state,
    GITSPACES_LISTEN: listen,
    GITSPACES_HOME: places.home,
    GITSPACES_IMAGE_FOLDER: places.image,
    GITSPACES_ISOLATION: isolation,
    // glibc would keep an arena per core for the few threads of Node's pool.
    MALLOC_ARENA_MAX: "2",
    // The VM's own: what one VM compiled is nothing another should run.
    NODE_COMPILE_CACHE: `${places.state}/compiled`,
    // Where tests arm failpoints, agents have a folder of their own for it.
    ...(process.env["GITSPACES_FAILPOINT_FOLDER"] ? { GITSPACES_FAILPOINT_FOLDER: `${places.state}/failpoints` } : {}),
  };
}

function person(home: string, user: string, temporary: string) {
  return { HOME: home, USER: user, LOGNAME: user, SHELL: "/bin/bash", LANG: "C.UTF-8", TMPDIR: temporary };
}

function systemMount(name: string, link: string | undefined): string[] {
  return link === undefined ? ["--ro-bind-try", `/${name}`, `/${name}`] : ["--symlink", link, `/${name}`];
}

/** The files of a VM's own /etc. */
export function etcFiles(
  id: string,
  addresses: VmAddresses,
  resolver: string,
): Record<(typeof ownEtc)[number], string> {
  const { uid } = addresses;
  return {
    passwd: `root:x:0:0:root:/root:/usr/sbin/nologin\ndev:x:${uid}:${uid}:Developer:/home/dev:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
    // No group `tty`: sshd would give each terminal to it, and without root's rights that ends the session.
    group: `root:x:0:\ndev:x:${uid}:\nnogroup:x:65534:\n`,
    hosts: `127.0.0.1 localhost\n${addresses.vm} ${id}\n`,
    hostname: `${id}\n`,
    "resolv.conf": resolver,
    "nsswitch.conf":
      "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n",
  };
}
