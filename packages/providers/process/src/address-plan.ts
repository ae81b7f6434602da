// Who has which address, interface name and user id in an installation's 10.X.0.0/16. Pure.
import { fail } from "@gitspaces/contracts";

/** Slot 0 is the host's own; a VM takes one of the others, and four addresses with it. */
export const firstSlot = 1;
export const lastSlot = 16_382;

/** Every interface and network namespace of ours starts so, whichever installation it belongs to. */
export const namePrefix = "gsv";

export type VmAddresses = { name: string; host: string; vm: string; uid: number };

/** @throws {FailureError} `bad_request` when the network is not one of the form 10.X.0.0/16. */
export function networkNumber(network: string): number {
  const [, x] = /^10\.(\d{1,3})\.0\.0\/16$/.exec(network) ?? [];
  const number = Number(x);
  if (x === undefined || number > 255)
    throw fail("bad_request", `"${network}" should be a network such as 10.201.0.0/16`);
  return number;
}

/** Where the host answers inside the VM network: enrolment and whatever else VMs may reach. */
export function hostAddress(network: string): string {
  return `10.${networkNumber(network)}.0.1`;
}

/** The interfaces and namespaces of one installation: this and a slot number. */
export function installationPrefix(network: string): string {
  return `${namePrefix}${networkNumber(network)}-`;
}

/** The addresses (a /30 between host and VM), names and unprivileged user of a slot. */
export function addressesOf(network: string, slot: number): VmAddresses {
  const x = networkNumber(network);
  const at = (offset: number) => `10.${x}.${(slot * 4 + offset) >> 8}.${(slot * 4 + offset) & 255}`;
  return { name: `${installationPrefix(network)}${slot}`, host: at(1), vm: at(2), uid: 200_000 + x * 16_384 + slot };
}

/** The next free slot after the last one given, so that an address rests long before it is somebody else's. */
export function nextSlot(last: number, taken: ReadonlySet<number>): number {
  for (let step = 1; step <= lastSlot; step += 1) {
    const slot = firstSlot + ((last - firstSlot + step) % lastSlot);
    if (!taken.has(slot)) return slot;
  }
  throw fail("no_capacity", "Every address of the VM network is taken; remove VMs first.");
}
