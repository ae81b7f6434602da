// The arguments of `docker run` under the policy, whoever wrote them: devcontainer.json, a feature or an image's label. Pure.
import { refuseMount, refuseShortMount } from "./mount-policy.ts";
import { type Bounds, isOwnLabel, refuseCapability, refuseSecurityOption } from "./policy.ts";

type Rule = (value: string, bounds: Bounds) => string | undefined;
const fine: Rule = () => undefined;
const never =
  (reason: string): Rule =>
  () =>
    reason;
const whenPrivileged =
  (reason: string): Rule =>
  (_, { policy }) =>
    policy.allowPrivileged ? undefined : reason;
const ownNamespace =
  (what: string): Rule =>
  (value) =>
    /^(?:host$|container:)/.test(value) ? `the dev container has ${what} of its own` : undefined;

/** Its long form is `name=host,alias=…`, in any case and with spaces; as CSV it may be quoted. */
const ownNetwork: Rule = (value, bounds) => {
  if (/["\r\n]/.test(value)) return "it is not plainly written";
  const parts = value.toLowerCase().split(",");
  const names = parts.map((part) => part.replace(/^\s*name\s*=/, "").trim());
  return names.map((name) => ownNamespace("a network")(name, bounds)).find((reason) => reason !== undefined);
};

const published = never("ports are reached through the gateway, none is opened on the VM");
const filesOfVm = never("it would read or write a file of the VM");
const volumesFrom = never("volumes of other containers are theirs");
const hardware = whenPrivileged("devices of the VM are not given away");

/** Options that take a value. What is in neither table is refused. */
const valued: Record<string, Rule> = {
  ...Object.fromEntries(
    `add-host annotation attach blkio-weight cpu-count cpu-period cpu-quota cpu-shares cpus cpuset-cpus cpuset-mems dns dns-option
     dns-search domainname entrypoint env expose gpus group-add health-cmd health-interval health-retries health-start-period
     health-timeout hostname link mac-address memory memory-reservation memory-swap memory-swappiness name network-alias
     oom-score-adj pids-limit platform pull shm-size stop-signal stop-timeout tmpfs ulimit user workdir`
      .split(/\s+/)
      .map((name) => [name, fine]),
  ),
  "cap-add": (value, { policy }) => refuseCapability(value, policy),
  "cap-drop": fine,
  "security-opt": (value, { policy }) => refuseSecurityOption(value, policy),
  mount: refuseMount,
  volume: refuseShortMount,
  label: (value) => (isOwnLabel(value) ? "labels of this name are the VM's own" : undefined),
  network: ownNetwork,
  net: ownNetwork,
  pid: ownNamespace("processes"),
  ipc: ownNamespace("shared memory"),
  uts: ownNamespace("a host name"),
  sysctl: (value) => (value.startsWith("net.") ? undefined : "only settings of the container's own network may be set"),
  userns: never("the mapping of users is the VM's"),
  cgroupns: never("the control groups are the VM's"),
  "cgroup-parent": never("the control groups are the VM's"),
  device: hardware,
  "device-cgroup-rule": hardware,
  "device-read-bps": hardware,
  "device-read-iops": hardware,
  "device-write-bps": hardware,
  "device-write-iops": hardware,
  "env-file": filesOfVm,
  "label-file": filesOfVm,
  cidfile: filesOfVm,
  "volumes-from": volumesFrom,
  "volume-driver": never("drivers of volumes are the VM's"),
  "storage-opt": never("the storage is the VM's"),
  "log-driver": never("the log is the VM's"),
  "log-opt": never("the log is the VM's"),
  runtime: never("the runtime is the VM's"),
  isolation: never("the runtime is the VM's"),
  publish: published,
  // A container that the engine starts by itself would have its mounts looked up again, unchecked.
  restart: never("the Gitspace's own start starts it"),
};
const flags: Record<string, Rule> = {
  detach: fine,
  init: fine,
  interactive: fine,
  "no-healthcheck": fine,
  quiet: fine,
  "read-only": fine,
  "sig-proxy": fine,
  tty: fine,
  privileged: whenPrivileged("root inside would be root of the VM"),
  "publish-all": published,
  rm: never("the dev container is kept"),
  "oom-kill-disable": never("the VM's memory is shared"),
  "use-api-socket": never("whoever holds the engine's socket is root of the VM"),
};
const long: Record<string, string> = {
  a: "attach",
  c: "cpu-shares",
  d: "detach",
  e: "env",
  h: "hostname",
  i: "interactive",
  l: "label",
  m: "memory",
  p: "publish",
  P: "publish-all",
  q: "quiet",
  t: "tty",
  u: "user",
  v: "volume",
  w: "workdir",
};

export type Filtered = { kept: string[]; notApplied: string[] };
type Option = { name: string; value: string | undefined; tokens: string[] };

/** The option at `at`, with the tokens that it takes; nothing where the options end. */
function optionAt(args: readonly string[], at: number): Option | undefined {
  const token = args[at] ?? "";
  const short = /^-([A-Za-z])(.*)$/s.exec(token);
  const whole = /^--([a-z][a-z-]*)(?:=(.*))?$/s.exec(token);
  if (short === null && whole === null) return undefined;
  const name = short === null ? (whole?.[1] ?? "") : (long[short[1] ?? ""] ?? token.slice(1));
  const glued = short === null ? whole?.[2] : short[2] === "" ? undefined : short[2]?.replace(/^=/, "");
  if (!Object.hasOwn(valued, name) || glued !== undefined) return { name, value: glued, tokens: [token] };
  return { name, value: args[at + 1] ?? "", tokens: args.slice(at, at + 2) };
}

function refuse({ name, value }: Option, bounds: Bounds): string | undefined {
  if (Object.hasOwn(valued, name)) return valued[name]?.(value ?? "", bounds);
  if (!Object.hasOwn(flags, name)) return "the option is not known here";
  return value === "false" ? undefined : flags[name]?.(value ?? "", bounds);
}

/** `-abc` may be three flags in one; only single ones are taken, so that none is overlooked. */
function isBundle({ tokens: [token = ""], name }: Option): boolean {
  return /^-[A-Za-z]./.test(token) && !Object.hasOwn(valued, name);
}

/** What is left of `runArgs`. After an unknown option, what looks like its value goes with it. */
export function filterRunArgs(args: readonly string[], bounds: Bounds): Filtered {
  const kept: string[] = [];
  const notApplied: string[] = [];
  for (let at = 0; at < args.length; ) {
    const option = optionAt(args, at);
    const known = option !== undefined && (Object.hasOwn(valued, option.name) || Object.hasOwn(flags, option.name));
    const reason = option === undefined || isBundle(option) ? "the option is not known here" : refuse(option, bounds);
    const width = option?.tokens.length ?? 1;
    const taken = known || option?.value !== undefined || (args[at + width] ?? "-").startsWith("-") ? width : width + 1;
    const tokens = args.slice(at, at + taken);
    if (reason === undefined) kept.push(...tokens);
    else notApplied.push(sentence(tokens, reason));
    at += taken;
  }
  return { kept, notApplied };
}

/**
 * The whole command line after `docker run`: options, then the image and its command, which stay as they are.
 * Gives `unclear` where an option is not known: it is then not certain where the options end.
 */
export function filterRun(args: readonly string[], bounds: Bounds): Filtered | { unclear: string } {
  const kept: string[] = [];
  const notApplied: string[] = [];
  let at = 0;
  for (let option = optionAt(args, at); option !== undefined; option = optionAt(args, at)) {
    if (isBundle(option) || !(Object.hasOwn(valued, option.name) || Object.hasOwn(flags, option.name)))
      return { unclear: `The option ${option.tokens[0]} is not known here.` };
    const reason = isOurs(option, bounds) ? undefined : refuse(option, bounds);
    if (reason === undefined) kept.push(...option.tokens);
    else notApplied.push(sentence(option.tokens, reason));
    at += option.tokens.length;
  }
  const [end = ""] = args.slice(at);
  if (/^-./.test(end) && end !== "--") return { unclear: `The option ${end} is not known here.` };
  return { kept: [...kept, ...args.slice(at)], notApplied };
}

function isOurs({ name, value }: Option, { ownLabels }: Bounds): boolean {
  return name === "label" && ownLabels.includes(value ?? "");
}

function sentence(tokens: readonly string[], reason: string): string {
  return `${tokens.join(" ")} was not applied: ${reason}.`;
}
