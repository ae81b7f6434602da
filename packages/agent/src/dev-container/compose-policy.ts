// A rendered Compose file under the policy: paths are absolute by then, variables filled in, other files taken in. Pure.
import { refuseBind, refuseShortMount, refuseVolumeName } from "./mount-policy.ts";
import { type Bounds, isAllowedImage, isInside, isOwnLabel, refuseCapability, refuseSecurityOption } from "./policy.ts";

export type ComposeFile = Record<string, unknown> & { services?: Record<string, Record<string, unknown>> };
export type Broken = { service: string; key: string; rule: string };
export type CheckedCompose = {
  /** The file without what breaks a rule or is done otherwise here. */
  file: ComposeFile;
  /** What breaks a rule. */
  broken: Broken[];
  /** One sentence for each thing that is done otherwise here and breaks nothing. */
  notApplied: string[];
};

type Rule = (value: unknown, bounds: Bounds) => string | undefined;
const fine: Rule = () => undefined;
const whenPrivileged =
  (reason: string): Rule =>
  (value, { policy }) =>
    policy.allowPrivileged || value === false || isEmpty(value) ? undefined : reason;
const ownNamespace =
  (what: string): Rule =>
  (value) =>
    /^(?:host$|container:)/.test(String(value)) ? `a service has ${what} of its own` : undefined;
const serviceRules: Record<string, Rule> = {
  ...Object.fromEntries(
    `annotations blkio_config cap_drop command container_name cpu_count cpu_percent cpu_period cpu_quota cpu_shares cpus cpuset
     depends_on deploy develop dns dns_opt dns_search domainname entrypoint environment expose external_links extra_hosts group_add
     healthcheck hostname init links mac_address mem_limit mem_reservation mem_swappiness memswap_limit networks oom_score_adj
     pids_limit platform profiles pull_policy read_only scale shm_size stdin_open stop_grace_period stop_signal tmpfs tty ulimits
     user working_dir secrets configs attach`
      .split(/\s+/)
      .map((name) => [name, fine]),
  ),
  image: (value, { policy }) =>
    isAllowedImage(String(value), policy) ? undefined : "it is none of the images allowed here",
  build: checkBuild,
  privileged: whenPrivileged("root inside would be root of the VM"),
  devices: whenPrivileged("devices of the VM are not given away"),
  device_cgroup_rules: whenPrivileged("devices of the VM are not given away"),
  network_mode: ownNamespace("a network"),
  pid: ownNamespace("processes"),
  ipc: ownNamespace("shared memory"),
  uts: ownNamespace("a host name"),
  sysctls: (value) =>
    keysOf(value).every((name) => name.startsWith("net.")) ? undefined : "only settings of its own network may be set",
  labels: (value, { ownLabels }) =>
    labelsOf(value).some((label) => isOwnLabel(label) && !ownLabels.includes(label))
      ? "labels of this name are the VM's own"
      : undefined,
};

/** Lists of which each item stands for itself: what breaks no rule stays. */
const itemRules: Record<string, Rule> = {
  cap_add: (name, { policy }) => refuseCapability(textOf(name), policy),
  security_opt: (option, { policy }) => refuseSecurityOption(textOf(option), policy),
  volumes: refuseVolume,
};

/** Done otherwise here, without harm to what was meant. */
const otherwise: Record<string, string> = {
  ports: "ports are reached through the gateway, none is opened on the VM",
  restart: "the Gitspace's own start starts it",
};

/** Checks a rendered Compose file. Keys that no rule knows break the policy, since what they do is not known. */
export function checkCompose(file: ComposeFile, bounds: Bounds): CheckedCompose {
  const found: Found = { broken: [], notApplied: [] };
  const services = Object.fromEntries(
    Object.entries(file.services ?? {}).map(([name, service]) => [name, checkService(name, service, bounds, found)]),
  );
  return { file: { ...checkTop(file, bounds, found.broken), services }, ...found };
}

type Found = Pick<CheckedCompose, "broken" | "notApplied">;

/** What is left of a service. */
function checkService(
  service: string,
  content: Record<string, unknown>,
  bounds: Bounds,
  { broken, notApplied }: Found,
): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  const passes = (key: string, rule: Rule | undefined, value: unknown) => {
    const reason = rule === undefined ? "the key is not known here" : rule(value, bounds);
    if (reason !== undefined) broken.push({ service, key, rule: reason });
    return reason === undefined;
  };
  for (const [key, value] of Object.entries(content)) {
    if (Object.hasOwn(otherwise, key)) {
      if (!isEmpty(value)) notApplied.push(`Compose: ${key} of ${service} was not applied: ${otherwise[key]}.`);
    } else if (Object.hasOwn(itemRules, key)) {
      const items = [value].flat().filter((item) => passes(key, itemRules[key], item));
      if (items.length > 0) kept[key] = items;
    } else if (passes(key, Object.hasOwn(serviceRules, key) ? serviceRules[key] : undefined, value)) kept[key] = value;
  }
  return kept;
}

/** Volumes, networks, secrets and configs that the services share. */
function checkTop(file: ComposeFile, bounds: Bounds, broken: Broken[]): ComposeFile {
  const rest: ComposeFile = { ...file };
  const check = (section: string, rule: (entry: Record<string, unknown>, name: string) => string | undefined) => {
    for (const [name, entry] of Object.entries(recordOf(file[section]))) {
      const reason = rule(recordOf(entry), name);
      if (reason === undefined) continue;
      broken.push({ service: section, key: name, rule: reason });
      delete rest[section];
    }
  };
  check("volumes", (volume, name) => {
    if (!isEmpty(volume["driver_opts"])) return "options of a volume's driver could mount any folder of the VM";
    if (volume["driver"] !== undefined && volume["driver"] !== "local") return "drivers of volumes are the VM's";
    return bounds.ownMounts.some((own) => own.includes(`source=${name},`))
      ? undefined
      : refuseVolumeName(nameOf(volume, name));
  });
  check("networks", (network, name) => {
    const isNamed = network["name"] !== undefined || !isEmpty(network["external"]);
    if (isNamed && /^(?:host$|container:)/.test(nameOf(network, name))) return "a service has a network of its own";
    if (!isEmpty(network["driver_opts"])) return "options of a network's driver are the VM's";
    return ["bridge", "default", undefined].includes(network["driver"] as string | undefined)
      ? undefined
      : "a network of the VM is not given away";
  });
  for (const section of ["secrets", "configs"])
    check(section, ({ file: source, environment }) => {
      if (environment !== undefined) return undefined;
      return source === undefined || isInside(textOf(source), bounds) ? undefined : "the file is not in the repository";
    });
  for (const key of Object.keys(file).filter(
    (name) => !/^(?:version|name|services|volumes|networks|secrets|configs|x-.*)$/.test(name),
  )) {
    broken.push({ service: "the file", key, rule: "the key is not known here" });
    delete rest[key];
  }
  return rest;
}

function nameOf(entry: Record<string, unknown>, name: string): string {
  const external = recordOf(entry["external"])["name"];
  return textOf(external ?? entry["name"] ?? name);
}

function refuseVolume(mount: unknown, bounds: Bounds): string | undefined {
  if (typeof mount === "string") return isOwnMount(mount, bounds) ? undefined : refuseShortMount(mount, bounds);
  const { type, source, bind, volume } = recordOf(mount);
  const text = textOf(source);
  if (bounds.ownMounts.some((own) => own.startsWith(`type=${String(type)},source=${text},`))) return undefined;
  if (recordOf(bind)["propagation"] !== undefined) return "propagation may not be chosen";
  if (recordOf(volume)["subpath"] !== undefined) return "a part of a volume may not be chosen";
  if (type === "bind") return refuseBind(text, bounds);
  if (type === "volume") return source === undefined ? undefined : refuseVolumeName(text);
  return type === "tmpfs" ? undefined : `a mount of type ${String(type)} is not known here`;
}

function isOwnMount(text: string, { ownMounts }: Bounds): boolean {
  const [source = "", target = ""] = text.split(":");
  return ownMounts.some((own) => own.includes(`,source=${source},target=${target}`));
}

/** A build reads the repository alone, in its own network. */
function checkBuild(value: unknown, bounds: Bounds): string | undefined {
  const build = typeof value === "string" ? { context: value } : recordOf(value);
  const known =
    /^(?:context|dockerfile|dockerfile_inline|args|target|labels|shm_size|platforms|pull|no_cache|cache_from|tags|extra_hosts|additional_contexts|network)$/;
  const odd = Object.keys(build).find((key) => !known.test(key));
  if (odd !== undefined) return `build.${odd} is not known here`;
  if (/^(?:host$|container:)/.test(textOf(build["network"]))) return "a build has a network of its own";
  const context = textOf(build["context"]);
  const dockerfile = textOf(build["dockerfile"] ?? "Dockerfile");
  const contexts = [context, ...Object.values(recordOf(build["additional_contexts"])).map(String)];
  const isOutside = (path: string) =>
    !bounds.ownFolders.some((own) => path.startsWith(`${own}/`)) && !isInside(path, bounds);
  if (contexts.some(isOutside)) return "the build's context is not in the repository";
  const file = dockerfile.startsWith("/") ? dockerfile : `${context}/${dockerfile}`;
  return build["dockerfile_inline"] === undefined && isOutside(file)
    ? "the Dockerfile is not in the repository"
    : undefined;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** A text as it is; whatever else stands in its place leads nowhere. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** Compose writes them as a list of `name=value` or as an object. */
function labelsOf(value: unknown): string[] {
  return Array.isArray(value)
    ? value.map(String)
    : Object.entries(recordOf(value)).map(([name, text]) => `${name}=${String(text)}`);
}

function keysOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map((each) => String(each).split("=")[0] ?? "") : Object.keys(recordOf(value));
}
