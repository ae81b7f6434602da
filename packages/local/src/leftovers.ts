// Everything that a supervisor which was killed may have left running on a data folder.
import { removeNetworkOf, powerOffVms } from "./isolation.ts";
import { endListed } from "./process-list.ts";
import { removeUpFile } from "./up-file.ts";

const GRACE_MS = 10_000;

/** Ends it all and gives the names of the processes that were still there. For the holder of the lock only. */
export async function clearLeftovers(dataFolder: string): Promise<string[]> {
  const ended = await endListed(dataFolder, GRACE_MS);
  await powerOffVms(dataFolder);
  await removeNetworkOf(dataFolder);
  removeUpFile(dataFolder);
  return ended;
}
