// Which address a VM gets: one of its own for life, so that it is found where it was after it or the whole machine restarted.
import { createHash } from "node:crypto";
import type { InstanceId } from "@gitspaces/contracts";

/** The lowest part of a subnet is the engine's to give away to containers that name no address. */
const ENGINES_PART = 8;

/**
 * A free address of the IPv4 subnet (such as 172.20.0.0/16) for a VM; nothing when all are taken. `tries` counts the addresses of
 * this VM that somebody else was faster with.
 */
export function pickAddress(
  subnet: string,
  id: InstanceId,
  taken: ReadonlySet<string>,
  tries: number,
): string | undefined {
  const [, base = "", bits = ""] = /^([0-9.]+)\/([0-9]+)$/.exec(subnet) ?? [];
  const size = 2 ** (32 - Number(bits));
  if (base === "" || Number(bits) > 30) return undefined;
  const first = Math.max(4, Math.floor(size / ENGINES_PART));
  const count = size - 1 - first;
  const start = createHash("sha256").update(`${id}/${tries}`).digest().readUInt32BE(0);
  for (let step = 0; step < count; step += 1) {
    const address = textOf((numberOf(base) + first + ((start + step) % count)) >>> 0);
    if (!taken.has(address)) return address;
  }
  return undefined;
}

function numberOf(address: string): number {
  return address.split(".").reduce((total, part) => total * 256 + Number(part), 0);
}

function textOf(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}
