// A VM as Redis keeps it, and as the domain sees it.
import { Power } from "@gitspaces/contracts";
import type { Owner, PowerFact, Reach, Vm } from "@gitspaces/vm-pool";
import { z } from "zod";

const empty = z.literal("").transform(() => undefined);
const number = z.coerce.number();

const VmHash = z.object({
  id: z.string(),
  pool: z.string(),
  power: Power,
  agent: z.enum(["starting", "ready", "failed"]),
  reason: z.string().default(""),
  createdAt: number,
  owner: z.string(),
  generation: number.optional(),
  task: z.string().optional(),
  warm: z.union([empty, z.string()]).optional(),
  address: z.string().optional(),
  port: number.optional(),
  key: z.string().optional(),
  version: z.string().default(""),
});

export type VmRecord = {
  vm: Vm;
  /** Where the agent is and the key it must show, once it has enrolled. */
  reach: Reach | null;
  /** The provider's version of its labels as last seen. */
  version: string;
  /** Whether it stood ready when it was claimed. */
  wasWarm: boolean;
  address: string | null;
  port: number | null;
};

/** Reads a VM's hash: nothing when there is none, `unreadable` when fields are missing or make no sense. */
export function readVmRecord(hash: Record<string, string>): VmRecord | "unreadable" | undefined {
  if (Object.keys(hash).length === 0) return undefined;
  const { success, data: read } = VmHash.safeParse(hash);
  if (!success) return "unreadable";
  const { id, pool, createdAt, address, port, key, version } = read;
  const reach =
    address === undefined || port === undefined || key === undefined ? null : { address, port, keyFingerprint: key };
  return {
    vm: { id, pool, createdAt, owner: readOwner(read), ...powerFact(read, reach) },
    reach,
    version,
    wasWarm: read.warm !== undefined,
    address: address ?? null,
    port: port ?? null,
  };
}

function readOwner({ owner, generation, task }: z.infer<typeof VmHash>): Owner | null {
  if (owner === "") return null;
  return { gitspaceId: owner, generation: generation ?? 1, taskId: task ?? "" };
}

/** A VM that says it is ready but cannot be reached is only starting. */
function powerFact({ power, agent, reason }: z.infer<typeof VmHash>, reach: Reach | null): PowerFact {
  if (power === "making" || power === "deleting" || power === "gone") return { power };
  if (power === "running") {
    if (agent === "failed") return { power, agent, reason };
    return agent === "ready" && reach !== null ? { power, agent, ...reach } : { power, agent: "starting" };
  }
  return reach === null ? { power: "running", agent: "starting" } : { power, ...reach };
}
