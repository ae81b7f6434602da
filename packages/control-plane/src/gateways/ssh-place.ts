// Where SSH is reached, as the gateways reported it.
import { type GatewayReport, SshPlace } from "@gitspaces/contracts";
import type { Addresses } from "../addresses.ts";
import type { Store } from "../store/store.ts";

/** A gateway that was not heard of for so long has no say any more: its host keys are not trusted for ever. */
const FORGOTTEN_MS = 7 * 86_400_000;
const Kept = SshPlace.pick({ port: true, host_keys: true });

/** What of a gateway's report is kept for `sshPlace`; nothing from one without SSH. */
export function sshOfReport(report: Extract<GatewayReport, { kind: "health" }>): string | null {
  const { sshPort: port, sshHostKeys: host_keys } = report;
  return port === undefined || host_keys === undefined ? null : JSON.stringify({ port, host_keys });
}

/** The gateways' SSH door: the port of the one that was heard last, and the host keys of all. Nothing when none has one. */
export function sshPlace(store: Store, addresses: Addresses, now: number): SshPlace | undefined {
  const doors = store.gateways
    .list()
    .filter(({ at }) => now - at < FORGOTTEN_MS)
    .toSorted((a, b) => b.at - a.at)
    .flatMap(({ ssh }) => (ssh === null ? [] : [Kept.parse(JSON.parse(ssh))]));
  const [newest] = doors;
  if (newest === undefined) return undefined;
  const hostKeys = new Set(doors.flatMap(({ host_keys }) => host_keys));
  return { host: addresses.domain, port: newest.port, url: addresses.url, host_keys: [...hostKeys] };
}
