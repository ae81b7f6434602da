// VMs as containers of this machine's Docker engine, each with an engine of its own. Nothing but the engine is needed.
import { FailureError } from "@gitspaces/contracts";
import type { DockerEngine } from "./docker-engine.ts";
import { installationOf } from "./installation.ts";
import type { GroundWanted, OpenGround, VmGround } from "./vm-ground.ts";
import { ensureVmImage } from "./vm-image.ts";

/** The image of a Gitspace that names none; a warm VM holds it, and the sample starts from it. */
export const DEV_CONTAINER_IMAGE = "gitspaces/dev-container:latest";

/** What an agent and the IDE in it may take to end; then the power is off. */
const STOP_GRACE_S = 10;

/** The ground on one engine. */
export function dockerGround(engine: DockerEngine): VmGround {
  return {
    kind: "docker",
    engine: engine.host,
    poolSpec: `    spec:
      image: gitspaces/vm:latest
      machine: { cpus: 2, memory_mb: 4096, pids: 4096 } # the most that each may take
      preload:
        images: [${DEV_CONTAINER_IMAGE}] # what a VM holds before it waits
`,
    open: (wanted) => open(engine, wanted),
    powerOffVms: (dataFolder) => powerOffVms(engine, dataFolder),
    // The network stays: it is this machine's address for Gitspaces, and repositories are remembered by it.
    clear: () => Promise.resolve(),
  };
}

async function open(
  engine: DockerEngine,
  { installation, hostPorts, tell, signal }: GroundWanted,
): Promise<OpenGround> {
  const network = `gs-${installation}`;
  const hostAddress = await ensureNetwork(engine, network, installation);
  return {
    hostAddress,
    singleUser: false,
    runnerSettings: {
      GITSPACES_PROVIDER: "docker",
      GITSPACES_DOCKER_SOCKET: engine.host,
      GITSPACES_DOCKER_NETWORK: network,
      GITSPACES_EGRESS_ALLOW: hostPorts.map((port) => `${hostAddress}:${port}`).join(","),
    },
    ensureImage: async () => {
      await ensureVmImage({
        env: { ...process.env, DOCKER_HOST: engine.host },
        onProgress: ({ phase, share }) =>
          tell({ news: "progress", what: `Building the VMs' image, once: ${phase}`, fraction: share }),
        signal,
      });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

type Network = { IPAM?: { Config?: { Gateway?: string }[] | null } };

/** Finds the installation's network or makes it; gives this machine's address on it. */
async function ensureNetwork(engine: DockerEngine, name: string, installation: string): Promise<string> {
  const known = (await engine.call("GET", `/networks?filters=${filters({ name: [`^${name}$`] })}`)) as Network[];
  if (known.length === 0) {
    const labels = { "gs-installation": installation, "gs-kind": "network" };
    const wanted = { Name: name, Driver: "bridge", CheckDuplicate: true, EnableIPv6: false, Labels: labels };
    await engine.call("POST", "/networks/create", wanted);
  }
  const network = (await engine.call("GET", `/networks/${name}`)) as Network;
  const gateway = network.IPAM?.Config?.find((each) => each.Gateway !== undefined)?.Gateway;
  if (gateway === undefined) throw new Error(`The Docker network ${name} has no gateway address.`);
  return gateway;
}

async function powerOffVms(engine: DockerEngine, dataFolder: string): Promise<void> {
  const installation = installationOf(dataFolder);
  if (installation === undefined) return;
  const running = (await engine.call(
    "GET",
    `/containers/json?filters=${filters({ label: [`gs-installation=${installation}`] })}`,
  )) as { Id: string }[];
  await Promise.all(
    running.map(({ Id }) =>
      engine.call("POST", `/containers/${Id}/stop?t=${STOP_GRACE_S}`).catch((error: unknown) => {
        // A runner's removal goes on in the engine after the runner has ended.
        if (!(error instanceof FailureError) || error.failure.code !== "not_found") throw error;
      }),
    ),
  );
}

const filters = (wanted: Record<string, string[]>) => encodeURIComponent(JSON.stringify(wanted));
