// A VM as the engine's container: decided purely. What protects what:
// - the machine from a VM: no `--privileged`, only the capabilities that a nested Docker engine needs, limits for CPU, memory and
//   processes, a log that cannot grow. These capabilities hold a careful person off, not a kernel bug: a container stands in for a
//   VM where machines are one's own; strangers belong on real VMs.
// - VMs from each other and the machine from VMs: the image's own firewall (its INPUT takes the agent's port alone, its egress
//   rules let out what `egressAllow` names of private ranges). The bridge keeps traffic between containers possible, for daemons
//   in containers reach VMs over it; no port is ever published and the bridge has no IPv6.
import type { Machine } from "@gitspaces/contracts";
import type { VmRequest } from "../../src/provider.ts";
import { type Names, mark } from "./names.ts";

/** What each VM is made with, whatever its pool. */
export type VmSettings = {
  /** `host:port` or networks of private ranges that VMs may reach; see the image's firewall. */
  egressAllow: readonly string[];
  /** The engine's processors: a limit above them would be refused. */
  processors: number;
  /** Where a test arms failpoints in the VM. */
  failpointFolder?: string;
};

/** Where it is: the network's name, and an address of its own where it has one. */
export type Place = { network: string; address: string | undefined };

/** How long the agent and what it holds have to end by themselves, in seconds. */
export const STOP_GRACE_S = 20;
export const METADATA_FOLDER = "/etc/gitspaces";
/** What a VM weighs for a processor that is wanted by several: one that waits steps back behind those that people work in. */
export const CPU_SHARES = { waiting: 128, working: 1_024 };
const defaultMachine: Machine = { cpus: 2, memoryMb: 4_096, pids: 4_096 };
const BYTES_PER_MB = 1_048_576;

/**
 * The body of the engine's create call. It comes back by itself after the engine's machine restarted, unless it was stopped
 * (`unless-stopped`): to its Gitspace that is a VM that rebooted.
 */
export function vmContainer(request: VmRequest, place: Place, names: Names, settings: VmSettings, now: number) {
  const { id, pool, labels } = request;
  const { cpus, memoryMb, pids } = pool.machine ?? defaultMachine;
  const ours = { [mark.installation]: names.installation, [mark.vm]: id };
  return {
    Image: pool.image,
    Hostname: id,
    Env: [
      ...(settings.egressAllow.length > 0 ? [`GITSPACES_EGRESS_ALLOW=${settings.egressAllow.join(",")}`] : []),
      // The image says `production`, where an agent refuses failpoints.
      ...(settings.failpointFolder === undefined
        ? []
        : [`GITSPACES_FAILPOINT_FOLDER=${settings.failpointFolder}`, "NODE_ENV=test"]),
    ],
    Labels: {
      ...ours,
      [mark.kind]: "vm",
      [mark.pool]: pool.name,
      [mark.labels]: JSON.stringify(labels),
      [mark.createdAt]: String(now),
    },
    StopTimeout: STOP_GRACE_S,
    ...(place.address === undefined
      ? {}
      : { NetworkingConfig: { EndpointsConfig: { [place.network]: { IPAMConfig: { IPv4Address: place.address } } } } }),
    HostConfig: {
      NetworkMode: place.network,
      CgroupnsMode: "private",
      CapAdd: ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "MKNOD"],
      SecurityOpt: ["seccomp=unconfined", "apparmor=unconfined", "label=disable"],
      NanoCpus: Math.round(Math.min(cpus, settings.processors) * 1e9),
      Memory: memoryMb * BYTES_PER_MB,
      CpuShares: labels["gs-gitspace"] === undefined ? CPU_SHARES.waiting : CPU_SHARES.working,
      // The same as memory: no swap on top of it.
      MemorySwap: memoryMb * BYTES_PER_MB,
      PidsLimit: pids,
      // When the machine itself runs out, VMs go before its daemons do.
      OomScoreAdj: 500,
      RestartPolicy: { Name: "unless-stopped" },
      LogConfig: { Type: "json-file", Config: { "max-size": "2m", "max-file": "2" } },
      Mounts: [
        {
          Type: "volume",
          Source: names.engine(id),
          Target: "/var/lib/docker",
          VolumeOptions: { Labels: { ...ours, [mark.kind]: "engine", [mark.createdAt]: String(now) } },
        },
        {
          Type: "volume",
          Source: names.images,
          Target: "/var/lib/gitspaces/images",
          ReadOnly: true,
          VolumeOptions: { NoCopy: true, Labels: { [mark.installation]: names.installation, [mark.kind]: "images" } },
        },
      ],
    },
  };
}
