// VMs as processes of this machine: walls between them where it can give them, and plain words where it cannot.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import {
  buildImage,
  canIsolate,
  pickNetwork,
  powerOff,
  prepareNetwork,
  rememberedNetwork,
  removeNetwork,
} from "@gitspaces/providers/process";
import type { GroundWanted, OpenGround, VmGround } from "./vm-ground.ts";

export const processGround: VmGround = {
  kind: "process",
  poolSpec: "",
  open,
  async powerOffVms(dataFolder) {
    if (existsSync(join(dataFolder, "vms"))) await powerOff(dataFolder);
  },
  /** Removes the VM network that an earlier run left, if this process may. */
  async clear(dataFolder) {
    const network = await rememberedNetwork(dataFolder);
    if (network !== undefined && process.getuid?.() === 0) await removeNetwork(network);
  },
};

/** Prepares the VM network, or warns that there is none; what was prepared is removed when disposed. */
async function open(wanted: GroundWanted): Promise<OpenGround> {
  const { dataFolder, tell } = wanted;
  const hostPorts = [wanted.enrolmentPort, ...wanted.hostPorts];
  const imagesFolder = join(dataFolder, "images");
  const common = {
    GITSPACES_PROVIDER: "process",
    GITSPACES_IMAGES_FOLDER: imagesFolder,
    GITSPACES_VM_HOST_PORTS: hostPorts.join(","),
  };
  const ensureImage = () => ensureImageIn(imagesFolder, wanted);
  const possible = canIsolate();
  if (!possible.ok) {
    tell({ news: "warning", lines: unisolatedWarning(possible.why) });
    return {
      hostAddress: "127.0.0.1",
      singleUser: true,
      runnerSettings: { ...common, GITSPACES_ISOLATION: "none" },
      ensureImage,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const { network, enrolAddress } = await pickNetwork(dataFolder);
  await prepareNetwork({ network, hostPorts });
  return {
    hostAddress: enrolAddress,
    singleUser: false,
    runnerSettings: { ...common, GITSPACES_ISOLATION: "namespace", GITSPACES_VM_NETWORK: network },
    ensureImage,
    [Symbol.asyncDispose]: () => removeNetwork(network),
  };
}

/** What running without isolation means, for the person who starts it. */
export function unisolatedWarning(why: string): string[] {
  return [
    "Gitspaces runs UNISOLATED on this machine.",
    `Why: ${why}.`,
    "A Gitspace's programs run as you: they can read your files and reach your local services, and each other.",
    "Open only repositories you trust. One user is served.",
    ...(process.getuid?.() === 0 ? [] : ["For isolation, run bin/up as root."]),
  ];
}

/** `GITSPACES_CACHE_FOLDER`, or `gitspaces` in the person's cache folder. */
export function cacheFolderFrom(env: NodeJS.ProcessEnv): string {
  return env["GITSPACES_CACHE_FOLDER"] ?? join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "gitspaces");
}

/** Built once per machine, kept in the person's cache outside the checkout, and found there ever after. */
async function ensureImageIn(imagesFolder: string, { tell, signal }: GroundWanted): Promise<void> {
  await buildImage({
    imagesFolder,
    cacheFolder: join(cacheFolderFrom(process.env), "images"),
    onProgress: ({ phase, share }) =>
      tell({ news: "progress", what: `Building the VMs' image, once: ${phase}`, fraction: share }),
    signal,
  });
}
