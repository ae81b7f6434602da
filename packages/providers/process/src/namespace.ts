// A VM's own network: a namespace, and one cable (a veth pair) to the host.
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { type VmAddresses, namePrefix } from "./address-plan.ts";
import { attempt, run } from "./command.ts";
import { isErrno } from "./durable-file.ts";

/** Makes the network of a VM anew. IPv6 has no address on the cable, so there is nowhere to go with it. */
export async function raiseNamespace({ name, host, vm }: VmAddresses): Promise<void> {
  if (existsSync(`/run/netns/${name}`) || existsSync(`/sys/class/net/${name}`)) await razeNamespace(name);
  await run("ip", ["netns", "add", name]);
  const mtu = await outwardMtu();
  await batch(
    [],
    [
      `link add ${name} mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${name}`,
      `link set ${name} addrgenmode none`,
      `addr add ${host}/30 dev ${name}`,
    ],
  );
  // A packet that claims to come from elsewhere is not from this VM.
  await writeFile(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, "1");
  await batch([], [`link set ${name} up`]);
  await batch(
    ["-n", name],
    [
      "link set lo up",
      "link set eth0 addrgenmode none",
      `addr add ${vm}/30 dev eth0`,
      "link set eth0 up",
      `route add default via ${host}`,
    ],
  );
}

/** Removes the network of a VM; succeeds when there is none. */
export async function razeNamespace(name: string): Promise<void> {
  // The cable first: a namespace outlives its name while a process is in it, and would keep the cable with it.
  await attempt("ip", ["link", "delete", name]);
  await attempt("ip", ["netns", "delete", name]);
}

/** Names of the namespaces and cables on this machine that start with `prefix`. */
export async function namespacesAndCables(prefix: string): Promise<string[]> {
  const namespaces = (await attempt("ip", ["netns", "list"])).stdout
    .split("\n")
    .map((line) => line.split(" ")[0] ?? "");
  const cables = (await attempt("ip", ["-o", "link", "show"])).stdout
    .split("\n")
    .map((line) => /^\d+: ([^@:]+)/.exec(line)?.[1] ?? "");
  return [...new Set([...namespaces, ...cables])].filter((name) => name.startsWith(prefix));
}

async function batch(options: string[], lines: string[]): Promise<void> {
  await run("ip", [...options, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}

/** The smallest packet size of the host's own interfaces: a bigger one inside would only be broken up or lost on the way. */
async function outwardMtu(): Promise<number> {
  let smallest = 1_500;
  for (const name of Object.keys(networkInterfaces())) {
    if (name === "lo" || name.startsWith(namePrefix)) continue;
    try {
      smallest = Math.min(smallest, Number(await readFile(`/sys/class/net/${name}/mtu`, "utf8")));
    } catch (error) {
      if (!isErrno(error, "ENOENT", "EINVAL")) throw error;
    }
  }
  return Math.max(smallest, 576);
}
