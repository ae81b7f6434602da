// Everything that a supervisor which was killed may have left running on a data folder.
import { endGatewayProcesses } from "./gateway-processes.ts";
import { endListed } from "./process-list.ts";
import { removeUpFile } from "./up-file.ts";
import type { VmGround } from "./vm-ground.ts";

const GRACE_MS = 10_000;

/** Ends it all and gives the names of the processes that were still there. For the holder of the lock only. */
export async function clearLeftovers(dataFolder: string, ground: VmGround): Promise<string[]> {
  const ended = await endListed(dataFolder, GRACE_MS);
  ended.push(...(await endGatewayProcesses(dataFolder, GRACE_MS)));
  await ground.powerOffVms(dataFolder);
  await ground.clear(dataFolder);
  removeUpFile(dataFolder);
  return ended;
}
