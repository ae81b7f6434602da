// The installation's VM network on this machine: which one it is, the host's address in it, and the rules around it.
import { createHash } from "node:crypto";
import { mkdir, realpath, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { z } from "zod";
import { hostAddress, installationPrefix, networkNumber } from "./address-plan.ts";
import { attempt, run } from "./command.ts";
import { isErrno, readIfThere, writeDurably } from "./durable-file.ts";
import { raiseFirewall, razeFirewall } from "./firewall.ts";
import { whileLocked } from "./lock.ts";
import { namespacesAndCables, razeNamespace } from "./namespace.ts";
import { localNameservers, resolvConf } from "./resolver.ts";

/** Installations on one machine that are down have no address to be seen by, so each says here which network is its own. */
const claimsFolder = "/run/gitspaces/networks";
const candidates = Array.from({ length: 112 }, (_, index) => 128 + index);

export type VmNetwork = { network: string; enrolAddress: string };

/**
 * The VM network of the installation in `dataFolder`: the one it had, or a free 10.X.0.0/16 that is remembered from now on.
 * @throws {FailureError} `no_capacity` when every candidate is in use on this machine.
 */
export async function pickNetwork(dataFolder: string): Promise<VmNetwork> {
  await mkdir(dataFolder, { recursive: true });
  const home = await realpath(dataFolder);
  return alone("the choice of a VM network", async () => {
    const used = await usedNumbers();
    const remembered = await rememberedNumber(home);
    const start = createHash("sha256").update(home).digest().readUInt16BE(0) % candidates.length;
    const wished = [...candidates.slice(start), ...candidates.slice(0, start)];
    for (const number of remembered === undefined ? wished : [remembered, ...wished]) {
      if (isUsedByAnother(used, number) || !(await claim(number, home))) continue;
      const network = `10.${number}.0.0/16`;
      await writeDurably(join(home, "network.json"), `${JSON.stringify({ network })}\n`, 0o644);
      return { network, enrolAddress: hostAddress(network) };
    }
    throw fail("no_capacity", "No 10.X.0.0/16 network is free on this machine for the VMs.");
  });
}

/** The network that was picked for this data folder, if one was. */
export async function rememberedNetwork(dataFolder: string): Promise<string | undefined> {
  const number = await rememberedNumber(dataFolder);
  return number === undefined ? undefined : `10.${number}.0.0/16`;
}

type NetworkPlan = {
  network: string /** TCP ports of the host's address in it that VMs may reach. */;
  hostPorts: readonly number[];
};

/** Puts the host's address and the firewall in place and turns forwarding on. Safe to repeat; needs root. */
export async function prepareNetwork({ network, hostPorts }: NetworkPlan): Promise<void> {
  await alone(`the network ${network}`, async () => {
    await run("ip", ["address", "replace", `${hostAddress(network)}/32`, "dev", "lo"]);
    // An address whose VM is gone is nobody's; without this it would be looked for outside.
    await run("ip", ["route", "replace", "unreachable", network]);
    await raiseFirewall({ network, hostPorts, localNameservers: await localNameservers() });
    await writeFile("/proc/sys/net/ipv4/ip_forward", "1");
  });
}

/** Removes every namespace, cable, rule and address of a network. Forwarding stays as it is: others may rely on it. */
export async function removeNetwork(network: string): Promise<void> {
  await alone(`the network ${network}`, async () => {
    for (const name of await namespacesAndCables(installationPrefix(network))) await razeNamespace(name);
    await razeFirewall(network);
    await attempt("ip", ["route", "delete", "unreachable", network]);
    await attempt("ip", ["address", "delete", `${hostAddress(network)}/32`, "dev", "lo"]);
  });
}

function alone<T>(what: string, work: () => Promise<T>): Promise<T> {
  return whileLocked("this machine", what, AbortSignal.timeout(30_000), work);
}

const Remembered = z.object({ network: z.string() });

async function rememberedNumber(dataFolder: string): Promise<number | undefined> {
  const text = await readIfThere(join(dataFolder, "network.json"));
  if (text === undefined) return undefined;
  try {
    return networkNumber(Remembered.parse(JSON.parse(text)).network);
  } catch {
    return undefined;
  }
}

type Used = { number: number; device: string }[];

/** Second octets of every 10.x address, route and nameserver this machine knows. */
async function usedNumbers(): Promise<Used> {
  const used: Used = [];
  for (const [device, addresses] of Object.entries(networkInterfaces())) {
    for (const { address } of addresses ?? []) add(address, device);
  }
  for (const line of (await attempt("ip", ["-4", "route", "show", "table", "all"])).stdout.split("\n")) {
    const device = line.startsWith("unreachable") ? "lo" : (/ dev (\S+)/.exec(line)?.[1] ?? "");
    for (const [address] of line.matchAll(/\b10\.\d+\.\d+\.\d+/g)) add(address, device);
  }
  for (const [address] of (await resolvConf()).matchAll(/\b10\.\d+\.\d+\.\d+/g)) add(address, "a nameserver");
  return used;

  function add(address: string, device: string): void {
    const [, number] = /^10\.(\d+)\./.exec(address) ?? [];
    if (number !== undefined) used.push({ number: Number(number), device });
  }
}

/** A network's own cables, its host address on loopback and its unreachable rest say nothing against it; whose they are, its claim says. */
function isUsedByAnother(used: Used, number: number): boolean {
  return used.some(
    (each) =>
      each.number === number &&
      each.device !== "lo" &&
      !each.device.startsWith(installationPrefix(`10.${number}.0.0/16`)),
  );
}

/** Whether the network is ours to use. Without root there is no network of our own, and nothing to claim. */
async function claim(number: number, home: string): Promise<boolean> {
  const file = join(claimsFolder, String(number));
  const owner = await readIfThere(file);
  if (owner === home) return true;
  if (owner !== undefined && existsSync(owner)) return false;
  try {
    await mkdir(claimsFolder, { recursive: true });
    await rm(file, { force: true });
    await writeFile(file, home, { flag: "wx" });
    return true;
  } catch (error) {
    if (isErrno(error, "EACCES", "EPERM", "EROFS")) return true;
    throw error;
  }
}
