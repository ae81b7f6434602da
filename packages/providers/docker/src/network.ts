// The bridge network that an installation's VMs share. One of ours has its subnet written down, for only then may a VM have an
// address of its own; on a network that somebody else made, the engine gives addresses, and a VM that restarts may get another.
import { type InstanceId, fail } from "@gitspaces/contracts";
import { z } from "zod";
import { pickAddress } from "./addresses.ts";
import { type Engine, filters } from "./engine.ts";
import { type Names, mark } from "./names.ts";

const Network = z.looseObject({
  Id: z.string(),
  Name: z.string(),
  Created: z.string(),
  Driver: z.string(),
  Labels: z.record(z.string(), z.string()).nullish(),
  IPAM: z.looseObject({
    Config: z.array(z.looseObject({ Subnet: z.string().optional(), Gateway: z.string().optional() })).nullish(),
  }),
});
const Attached = z.looseObject({
  Containers: z.record(z.string(), z.looseObject({ IPv4Address: z.string() })).nullish(),
});
const Configured = z.array(
  z.looseObject({
    NetworkSettings: z.looseObject({
      Networks: z.record(
        z.string(),
        z.looseObject({
          NetworkID: z.string(),
          IPAMConfig: z.looseObject({ IPv4Address: z.string().optional() }).nullish(),
        }),
      ),
    }),
  }),
);

/** `subnet`: that of which VMs get addresses of their own. */
export type VmNetwork = { id: string; name: string; subnet: string | undefined };

/**
 * The network, which is made when there is none. Of two that were made at once the older is used by everybody.
 * @throws {FailureError} `bad_request` when a network of this name is of a kind that VMs cannot use.
 */
export async function ensureNetwork(
  engine: Engine,
  names: Names,
  name: string,
  signal: AbortSignal,
): Promise<VmNetwork> {
  const ours = { [mark.installation]: names.installation, [mark.kind]: "network" };
  const body = { Name: name, Driver: "bridge", CheckDuplicate: true, EnableIPv6: false, Labels: ours };
  let found = await find(engine, name, signal);
  if (found === undefined) {
    await engine.tellUnless([409], "POST", "/networks/create", { body, signal });
    found = await find(engine, name, signal);
  }
  if (found === undefined) throw fail("internal", `The Docker network ${name} vanished while it was made.`);
  const { Subnet, Gateway } = found.IPAM.Config?.[0] ?? {};
  const isOurs = found.Labels?.[mark.installation] === names.installation && found.Labels[mark.kind] === "network";
  if (isOurs && found.Labels?.[mark.subnet] === undefined && Subnet !== undefined) {
    // The engine has found a free subnet; the same network is made again with that subnet in writing. In use it is left alone.
    if (await engine.tellUnless([403, 404, 409], "DELETE", `/networks/${found.Id}`, { signal })) {
      const IPAM = { Config: [{ Subnet, ...(Gateway === undefined ? {} : { Gateway }) }] };
      const Labels = { ...ours, [mark.subnet]: Subnet };
      await engine.tellUnless([403, 409], "POST", "/networks/create", { body: { ...body, IPAM, Labels }, signal });
    }
    found = (await find(engine, name, signal)) ?? found;
  }
  return { id: found.Id, name, subnet: found.Labels?.[mark.subnet] };
}

/** The address of its own that a new VM is to have; nothing where the engine gives one. @throws `no_capacity` when all are taken. */
export async function freeAddress(
  engine: Engine,
  { id: network, name, subnet }: VmNetwork,
  vm: InstanceId,
  tries: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (subnet === undefined) return undefined;
  const [attached, all] = await Promise.all([
    engine.ask(Attached, "GET", `/networks/${network}`, { signal }),
    engine.ask(Configured, "GET", "/containers/json", {
      query: { all: true, ...filters({ network: [network] }) },
      signal,
    }),
  ]);
  const taken = new Set(
    Object.values(attached.Containers ?? {}).map(({ IPv4Address }) => IPv4Address.split("/")[0] ?? ""),
  );
  for (const { NetworkSettings } of all) {
    for (const { IPAMConfig } of Object.values(NetworkSettings.Networks)) taken.add(IPAMConfig?.IPv4Address ?? "");
  }
  const address = pickAddress(subnet, vm, taken, tries);
  if (address === undefined) throw fail("no_capacity", `The Docker network ${name} (${subnet}) has no address left.`);
  return address;
}

async function find(engine: Engine, name: string, signal: AbortSignal): Promise<z.infer<typeof Network> | undefined> {
  const found = await engine.ask(z.array(Network), "GET", "/networks", { query: filters({ name: [name] }), signal });
  const [first] = found
    .filter((each) => each.Name === name)
    .toSorted((a, b) => a.Created.localeCompare(b.Created) || a.Id.localeCompare(b.Id));
  if (first !== undefined && first.Driver !== "bridge" && first.Driver !== "overlay") {
    throw fail(
      "bad_request",
      `GITSPACES_DOCKER_NETWORK (dockerNetwork) is "${name}", a network of the driver ${first.Driver}; it should be a bridge.`,
      { field: "dockerNetwork" },
    );
  }
  return first;
}
