// What a running container tells of itself: its user, its environment, its C library.
import type { Container } from "./container.ts";
import type { Engine } from "./engine.ts";

export type Facts = Pick<Container, "pid" | "user" | "libc"> & {
  /** The container's own variables: of its image and of `containerEnv`. */
  env: Record<string, string>;
};

const PROBE_DEADLINE_MS = 10_000;

/** Looks without a login shell, as root: passwd first, since a user may have no shell at all. */
const look = `
u=\${1%%:*}
line=$( (getent passwd "$u" || grep "^$u:" /etc/passwd || grep "^[^:]*:[^:]*:$u:" /etc/passwd) 2>/dev/null | head -n 1)
printf '%s\\n' "$line"
getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>/dev/null | sed -n '1s/.*G\\(NU libc\\|LIBC\\).* /glibc /p' | grep . || { for f in /lib/ld-musl-*; do [ -e "$f" ] && echo musl; done; }
`;

/** @throws {FailureError} `internal` when the container is gone or has no shell. */
export async function lookInside(engine: Engine, id: string, user: string, signal: AbortSignal): Promise<Facts> {
  const [inspected, seen] = await Promise.all([
    engine.ask(["inspect", "--format", "{{.State.Pid}}\t{{json .Config.Env}}", id], signal),
    engine.ask(["exec", "--user", "0", id, "/bin/sh", "-c", look, "sh", user], signal),
  ]);
  const [pid = "0", env = "[]"] = inspected.trim().split("\t");
  const [passwd = "", libc = ""] = seen.split("\n");
  return {
    pid: Number(pid),
    user: readPasswd(passwd, user),
    libc: readLibc(libc),
    env: readEnv(JSON.parse(env) as string[] | null),
  };
}

function readLibc(line: string): Facts["libc"] {
  const version = /^glibc (\d+\.\d+)/.exec(line)?.[1];
  if (version !== undefined) return { kind: "glibc", version };
  return { kind: line === "musl" ? "musl" : "none" };
}

/** A line of passwd; a user without one is a number with no home of its own. */
function readPasswd(line: string, user: string): Facts["user"] {
  const [name = "", , uid = "", gid = "", , home = "", shell = ""] = line.split(":");
  if (name !== "" && /^\d+$/.test(uid))
    return { name, uid: Number(uid), gid: Number(gid), home: home || "/", shell: shell || "/bin/sh" };
  const [number = "0", group = "0"] = user.split(":");
  return { name: user, uid: Number(number) || 0, gid: Number(group) || 0, home: "/", shell: "/bin/sh" };
}

function readEnv(lines: readonly string[] | null): Record<string, string> {
  return Object.fromEntries(
    (lines ?? []).flatMap((line) => {
      const at = line.indexOf("=");
      return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const];
    }),
  );
}

const shellOptions: Record<string, string> = {
  loginInteractiveShell: "-lic",
  loginShell: "-lc",
  interactiveShell: "-ic",
};
const ofTheProbe = new Set(["PWD", "OLDPWD", "SHLVL", "_"]);

/**
 * The variables of the person's shell, by `userEnvProbe`. A shell that takes too long or fails is done without.
 * @throws what `signal` was aborted with.
 */
export async function probeEnv(
  engine: Engine,
  id: string,
  user: Facts["user"],
  probe: string | undefined,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const option = shellOptions[probe ?? "loginInteractiveShell"];
  if (option === undefined) return {};
  const mark = crypto.randomUUID();
  const script = `printf '%s' ${mark}; cat /proc/self/environ; printf '%s' ${mark}`;
  const as = ["--user", user.name, "--env", `HOME=${user.home}`, "--env", `USER=${user.name}`];
  const patience = AbortSignal.any([signal, AbortSignal.timeout(PROBE_DEADLINE_MS)]);
  try {
    const text = await engine.ask(["exec", ...as, id, user.shell, option, script], patience);
    const entries = Object.entries(readEnv((text.split(mark)[1] ?? "").split("\0")));
    return Object.fromEntries(entries.filter(([name]) => !ofTheProbe.has(name)));
  } catch {
    signal.throwIfAborted();
    return {};
  }
}

/** What a program of the person gets. Folders of the container's PATH that a profile has dropped come last. Pure. */
export function mergeEnv(
  own: Record<string, string>,
  probed: Record<string, string>,
  remoteEnv: Record<string, string | null>,
): Record<string, string> {
  const env: Record<string, string> = { ...own, ...probed };
  const path = [...(probed["PATH"] ?? "").split(":"), ...(own["PATH"] ?? "").split(":")].filter((each) => each !== "");
  if (path.length > 0) env["PATH"] = [...new Set(path)].join(":");
  const base = { ...env };
  for (const [name, value] of Object.entries(remoteEnv)) {
    if (value === null) delete env[name];
    else
      env[name] = value.replaceAll(
        /\$\{containerEnv:([^:}]+)(?::([^}]*))?\}/g,
        (_, inner: string, fallback: string | undefined) => base[inner] ?? fallback ?? "",
      );
  }
  return env;
}
