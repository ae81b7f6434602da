// Which hosts a repository may be on. Private networks may hold a company's git server; what only a VM itself should reach is refused.
import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { fail, type FailureError } from "@gitspaces/contracts";
import type { ChildEnvironment } from "./child-environment.ts";

export type HostRule = {
  /** Whether the loopback of this VM may be cloned from: only where programs of the person stand on it anyway. */
  loopback: boolean;
};

const metadata = new BlockList();
metadata.addSubnet("169.254.0.0", 16, "ipv4");
metadata.addSubnet("fe80::", 10, "ipv6");
metadata.addAddress("100.100.100.200", "ipv4");
metadata.addAddress("192.0.0.192", "ipv4");
metadata.addAddress("168.63.129.16", "ipv4");
metadata.addAddress("fd00:ec2::254", "ipv6");
metadata.addAddress("fd20:ce::254", "ipv6");
metadata.addSubnet("64:ff9b::a9fe:0", 112, "ipv6");
metadata.addSubnet("2002:a9fe::", 32, "ipv6");

const nobody = new BlockList();
nobody.addSubnet("224.0.0.0", 4, "ipv4");
nobody.addSubnet("240.0.0.0", 4, "ipv4");
nobody.addSubnet("ff00::", 8, "ipv6");

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addSubnet("0.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");
loopback.addAddress("::", "ipv6");
loopback.addSubnet("64:ff9b::7f00:0", 104, "ipv6");
loopback.addSubnet("2002:7f00::", 24, "ipv6");

const metadataNames = new Set(["metadata", "metadata.google.internal", "metadata.goog", "instance-data"]);

/** Why nothing is cloned from an address; nothing when it may be. Pure. */
export function whyNotAddress(address: string, rule: HostRule): string | undefined {
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  if (metadata.check(address, family)) return "belongs to the machine's own network (link-local or metadata)";
  if (nobody.check(address, family)) return "is no address of a single host";
  if (!rule.loopback && loopback.check(address, family)) return "is the loopback of the Gitspace's own VM";
  return undefined;
}

/** Why nothing is cloned from a host, as far as its name tells; nothing when it may be. Pure. */
export function whyNotHost(url: string, rule: HostRule): string | undefined {
  const name = hostName(url);
  if (isIP(name) !== 0) return whyNotAddress(name, rule);
  if (metadataNames.has(name)) return "is the name of a metadata service";
  if (!rule.loopback && (name === "localhost" || name.endsWith(".localhost")))
    return "is the loopback of the Gitspace's own VM";
  return undefined;
}

function hostName(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

/**
 * Looks a repository's host up and gives configuration arguments that hold git to the addresses that were judged here.
 * @throws {FailureError} `bad_request` for a host that nothing is cloned from, or `repository_unreachable` for one that is not known.
 */
export async function holdToHost(
  url: string,
  rule: HostRule,
  env: ChildEnvironment,
  signal: AbortSignal,
): Promise<string[]> {
  const { protocol, host, port } = new URL(url);
  const name = hostName(url);
  const why = whyNotHost(url, rule);
  if (why !== undefined) throw refused(host, why);
  if (isIP(name) !== 0) return [];
  const found = await lookup(name, { all: true }).catch((cause: unknown) => {
    signal.throwIfAborted();
    if (hasProxy(protocol, env)) return [];
    throw fail("repository_unreachable", `The host ${host} is not known; check the repository's URL.`, { cause });
  });
  signal.throwIfAborted();
  const addresses = found.map(({ address }) => address);
  for (const address of addresses) {
    const reason = whyNotAddress(address, rule);
    if (reason !== undefined) throw refused(host, `stands at ${address}, which ${reason}`);
  }
  if (addresses.length === 0) return [];
  const shown = addresses.map((address) => (isIP(address) === 6 ? `[${address}]` : address));
  const at = port === "" ? { "https:": "443", "http:": "80" }[protocol] : port;
  return ["-c", `http.curloptResolve=${name}:${at}:${shown.join(",")}`];
}

/** A proxy looks names up itself. */
function hasProxy(protocol: string, env: ChildEnvironment): boolean {
  const names = protocol === "https:" ? ["https_proxy", "HTTPS_PROXY"] : ["http_proxy"];
  return [...names, "all_proxy", "ALL_PROXY"].some((name) => (env[name] ?? "") !== "");
}

function refused(host: string, why: string): FailureError {
  return fail("bad_request", `Nothing is cloned from ${host}: it ${why}.`, { field: "repository.url" });
}
