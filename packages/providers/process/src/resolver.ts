// Which nameservers a VM asks: the host's, as far as they can be reached from outside the host's loopback.
import { networkInterfaces } from "node:os";
import { readIfThere } from "./durable-file.ts";

/** Where the nameservers behind a resolver on loopback are written down (systemd-resolved, NetworkManager). */
const upstreamFiles = ["/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"];

/** The text of a VM's resolv.conf. */
export async function resolvConf(): Promise<string> {
  for (const file of ["/etc/resolv.conf", ...upstreamFiles]) {
    const text = usableLines((await readIfThere(file)) ?? "");
    if (/^nameserver/m.test(text)) return text;
  }
  return "";
}

/** The lines that mean something inside a VM: IPv4 nameservers that are not loopback, search lists and options. */
export function usableLines(text: string): string {
  const lines = text
    .split("\n")
    .filter((line) => /^\s*(?:nameserver\s+(?!127\.)\d+\.\d+\.\d+\.\d+\s*$|search\s|domain\s|options\s)/.test(line));
  return lines.length === 0 ? "" : `${lines.map((line) => line.trim()).join("\n")}\n`;
}

/** The nameservers that are addresses of this very host, which the firewall has to let through. */
export async function localNameservers(): Promise<string[]> {
  const own = new Set(Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address) ?? []));
  const servers = [...(await resolvConf()).matchAll(/^nameserver\s+(\S+)/gm)].map((match) => match[1] ?? "");
  return servers.filter((server) => own.has(server));
}
