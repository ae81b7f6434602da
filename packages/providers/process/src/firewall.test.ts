import { expect, test } from "vitest";
import { firewallChains } from "./firewall.ts";

const chains = firewallChains({ network: "10.201.0.0/16", hostPorts: [7404], localNameservers: ["192.0.2.2"] });
const rulesOf = (name: string) => chains.find((chain) => chain.name === name)?.rules ?? [];

test("what a VM may ask of the host is a list, and everything else is refused after it", () => {
  const rules = rulesOf("GSV201-IN");
  expect(rules.filter((rule) => rule.endsWith("ACCEPT"))).toEqual([
    "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "-d 10.201.0.1/32 -p tcp -m tcp --dport 7404 -j ACCEPT",
    "-d 192.0.2.2/32 -p tcp -m tcp --dport 53 -j ACCEPT",
    "-d 192.0.2.2/32 -p udp -m udp --dport 53 -j ACCEPT",
  ]);
  expect(rules.at(-1)).toBe("-j REJECT --reject-with icmp-port-unreachable");
});

test("other VMs and link-local addresses are refused before the world is allowed", () => {
  const rules = rulesOf("GSV201-FWD");
  const world = rules.indexOf("-i gsv201-+ -s 10.201.0.0/16 -j ACCEPT");
  for (const refused of [
    "-o gsv+ -p tcp",
    "-o gsv+ -j REJECT",
    "-d 169.254.0.0/16 -p tcp",
    "-d 169.254.0.0/16 -j REJECT",
  ]) {
    const index = rules.findIndex((rule) => rule.startsWith(refused));
    expect(index).toBeGreaterThan(0);
    expect(index).toBeLessThan(world);
  }
  expect(rules.at(-1)).toBe("-j DROP");
});
