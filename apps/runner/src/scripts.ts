// What Redis does in one step: each script is a compare-and-set over the records of VMs, claims and routes.
import { claimScripts } from "./claim-scripts.ts";
import { memoryScripts } from "./memory-scripts.ts";
import { poolScripts } from "./pool-scripts.ts";
import { vmScripts } from "./vm-scripts.ts";

/** Every script by its name. */
export const scripts = { ...memoryScripts, ...claimScripts, ...vmScripts, ...poolScripts } as const;
