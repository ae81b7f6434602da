// From a request to a container that runs: its address, what it has to hold before it starts, its start.
import { setTimeout as sleep } from "node:timers/promises";
import type { VmRequest } from "../../src/provider.ts";
import { archiveOf } from "./archive.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./engine-error.ts";
import type { Names } from "./names.ts";
import { type VmNetwork, freeAddress } from "./network.ts";
import type { PreloadedImages } from "./preloaded-images.ts";
import { removeContainer } from "./removal.ts";
import { METADATA_FOLDER, type VmSettings, vmContainer } from "./vm-container.ts";

export type Creating = {
  engine: Engine;
  names: Names;
  images: PreloadedImages;
  /** Asked for each VM, since networks can be removed. */
  network: (signal: AbortSignal) => Promise<VmNetwork>;
  settings: VmSettings;
  now: () => number;
};

const METADATA_FILE = "metadata.json";
const AGAIN_MS = 50;
/** So often another VM may take the address first. */
const ADDRESS_TRIES = 5;

export function vmCreation({ engine, names, images, network, settings, now }: Creating) {
  async function makeContainer(request: VmRequest, tries: number, signal: AbortSignal): Promise<void> {
    const { id, pool } = request;
    const name = names.vm(id);
    await images.ensure(pool.preload?.images ?? [], pool.image, signal);
    const bridge = await network(signal);
    const address = await freeAddress(engine, bridge, id, tries, signal);
    const body = vmContainer(request, { network: bridge.name, address }, names, settings, now());
    // 409: somebody else makes it; the name is taken a moment before the container is there.
    while (!(await engine.tellUnless([409], "POST", "/containers/create", { query: { name }, body, signal }))) {
      if (await engine.tellUnless([404], "GET", `/containers/${name}/json`, { signal })) return;
      await sleep(AGAIN_MS, undefined, { signal });
    }
  }

  /** Makes the container unless there is one, and gives one that never started what it has to hold. `state` is the container's. */
  async function furnish(
    request: VmRequest,
    state: string | undefined,
    tries: number,
    signal: AbortSignal,
  ): Promise<void> {
    if (state !== undefined && state !== "created") return;
    const name = names.vm(request.id);
    if (state === undefined) await makeContainer(request, tries, signal);
    const query = { path: `${METADATA_FOLDER}/${METADATA_FILE}` };
    if (await engine.tellUnless([404], "HEAD", `/containers/${name}/archive`, { query, signal })) return;
    const folder = METADATA_FOLDER.slice(1);
    const file = { path: `${folder}/${METADATA_FILE}`, mode: 0o600, text: JSON.stringify(request.metadata) };
    const archive = archiveOf([file], [folder]);
    await engine.tell("PUT", `/containers/${name}/archive`, { query: { path: "/" }, archive, signal });
  }

  return {
    furnish,
    /** Starts the container. When another VM has its address, it is made again with the next one. */
    async start(request: VmRequest, signal: AbortSignal): Promise<void> {
      const name = names.vm(request.id);
      for (let tries = 1; ; tries += 1) {
        try {
          return await engine.tell("POST", `/containers/${name}/start`, { signal });
        } catch (error) {
          const isTaken = error instanceof EngineError && /address already in use/i.test(error.message);
          if (!isTaken || tries > ADDRESS_TRIES) throw error;
          await removeContainer(engine, name, signal);
          await furnish(request, undefined, tries, signal);
        }
      }
    },
  };
}
