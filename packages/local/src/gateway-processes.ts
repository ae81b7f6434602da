// The gateway's processes tell of themselves in its folder: after a hand-over there are some that no supervisor started. They end with
// the one that it knows; when that one was killed, they are found here.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { endProcess, ProcessIdentity } from "./process-identity.ts";

/** Ends every one that still lives; gives a name for each. */
export async function endGatewayProcesses(dataFolder: string, graceMs: number): Promise<string[]> {
  const folder = join(dataFolder, "gateway", "processes");
  const end = async (file: string): Promise<string[]> => {
    const identity = read(join(folder, file));
    return identity !== undefined && (await endProcess(identity, graceMs)) ? ["gateway"] : [];
  };
  return (await Promise.all(list(folder).map(end))).flat();
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /^\d+\.json$/.test(name));
  } catch {
    return [];
  }
}

function read(file: string): ProcessIdentity | undefined {
  try {
    return ProcessIdentity.safeParse(JSON.parse(readFileSync(file, "utf8"))).data;
  } catch {
    return undefined;
  }
}
