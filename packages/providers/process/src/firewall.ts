// What a VM may reach: the enrolment address on named ports, and the outside world. Not the host, not another VM.
import { hostAddress, installationPrefix, namePrefix } from "./address-plan.ts";
import { attempt, run } from "./command.ts";

export type Firewall = {
  network: string;
  hostPorts: readonly number[] /** Nameservers that are addresses of this host. */;
  localNameservers: readonly string[];
};

type Chain = { table: "filter" | "nat"; name: string; rules: string[]; jumps: { from: string; match: string[] }[] };

/** The chains of an installation. Pure: the whole policy can be read here. */
export function firewallChains({ network, hostPorts, localNameservers }: Firewall): Chain[] {
  const mine = `${installationPrefix(network)}+`;
  const name = (part: string) => `${installationPrefix(network).toUpperCase()}${part}`;
  const known = "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT";
  const refuse = ["-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT --reject-with icmp-port-unreachable"];
  return [
    {
      table: "filter",
      name: name("IN"),
      rules: [
        known,
        ...hostPorts.map((port) => `-d ${hostAddress(network)}/32 -p tcp -m tcp --dport ${port} -j ACCEPT`),
        ...localNameservers.flatMap((server) =>
          ["tcp", "udp"].map((protocol) => `-d ${server}/32 -p ${protocol} -m ${protocol} --dport 53 -j ACCEPT`),
        ),
        ...refuse,
      ],
      jumps: [{ from: "INPUT", match: ["-i", mine] }],
    },
    {
      table: "filter",
      name: name("FWD"),
      rules: [
        known,
        ...refuse.map((rule) => `-o ${namePrefix}+ ${rule}`),
        ...refuse.map((rule) => `-d 169.254.0.0/16 ${rule}`),
        "-d 224.0.0.0/4 -j DROP",
        `-i ${mine} -s ${network} -j ACCEPT`,
        "-j DROP",
      ],
      jumps: [
        { from: "FORWARD", match: ["-i", mine] },
        { from: "FORWARD", match: ["-o", mine] },
      ],
    },
    {
      table: "nat",
      // An accept here ends address translation, so a port that the host publishes for a container is judged as the host's.
      name: name("PRE"),
      rules: ["-m addrtype --dst-type LOCAL -j ACCEPT"],
      jumps: [{ from: "PREROUTING", match: ["-i", mine] }],
    },
    {
      table: "nat",
      name: name("POST"),
      rules: [`! -o ${namePrefix}+ -j MASQUERADE`],
      jumps: [{ from: "POSTROUTING", match: ["-s", network] }],
    },
  ];
}

/** Brings the chains up to date, each table in one step, and makes sure that they are asked first. */
export async function raiseFirewall(firewall: Firewall): Promise<void> {
  const chains = firewallChains(firewall);
  const tables = ["filter", "nat"].map((table) => {
    const own = chains.filter((chain) => chain.table === table);
    const rules = own.flatMap((chain) => chain.rules.map((rule) => `-A ${chain.name} ${rule}`));
    return [`*${table}`, ...own.map((chain) => `:${chain.name} - [0:0]`), ...rules, "COMMIT"].join("\n");
  });
  await run("iptables-restore", ["-w", "20", "--noflush"], { input: `${tables.join("\n")}\n` });
  for (const { table, name, jumps } of chains) {
    for (const { from, match } of jumps) {
      const rule = [from, ...match, "-j", name];
      if ((await attempt("iptables", ["-w", "20", "-t", table, "-C", ...rule])).code === 0) continue;
      await run("iptables", ["-w", "20", "-t", table, "-I", ...rule]);
    }
  }
}

/** Removes the chains and every jump into them; what is not there is removed already. */
export async function razeFirewall(network: string): Promise<void> {
  for (const { table, name, jumps } of firewallChains({ network, hostPorts: [], localNameservers: [] })) {
    for (const { from, match } of jumps) {
      const remove = ["-w", "20", "-t", table, "-D", from, ...match, "-j", name];
      while ((await attempt("iptables", remove)).code === 0);
    }
    await attempt("iptables", ["-w", "20", "-t", table, "-F", name]);
    await attempt("iptables", ["-w", "20", "-t", table, "-X", name]);
  }
}
