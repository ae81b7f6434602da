// The health of the installation, composed: who was heard of and when, and what tasks through every hop bring back.
import { type DelegateHealth, type GatewayHealth, type InstallationHealth, resultSchema } from "@gitspaces/contracts";
import type { Offers } from "../delegates/offers.ts";
import type { Presence } from "../delegates/presence.ts";
import type { Collaborators } from "../lifecycle/act.ts";
import type { GatewaysSeen } from "../gateways/gateways-seen.ts";
import type { DelegateRow } from "../store/delegates.ts";
import { PROBE_GITSPACE } from "../store/probes.ts";
import { roundTrip } from "./round-trip.ts";

/** A gateway reports every 30 s. */
const GATEWAY_LOST_AFTER_MS = 75_000;
/** Delegates that were not heard of for so long are history. */
const SHOWN_MS = 7 * 86_400_000;

type With = Collaborators & {
  presence: Presence;
  offers: Pick<Offers, "isServed">;
  gateways: GatewaysSeen;
  closing: AbortSignal;
};

/** Finds out how everything is; whoever asks while somebody else's question is on its way gets the same answer. */
export function installationHealth(with_: With): () => Promise<InstallationHealth> {
  let asking: Promise<InstallationHealth> | undefined;
  return async () => {
    asking ??= examine(with_).finally(() => (asking = undefined));
    return await asking;
  };
}

async function examine(with_: With): Promise<InstallationHealth> {
  const { store, clock } = with_;
  const checkedAt = clock.now();
  const open = new Map(store.probes.open().map(({ state, count }) => [state, count]));
  const tasks = { offered: open.get("offered") ?? 0, acquired: open.get("acquired") ?? 0 };
  let trouble: string | null = null;
  try {
    store.probe();
  } catch (error) {
    trouble = (error as Error).message;
  }
  const known = store.delegates.list().filter(({ id }) => isShown(with_, id));
  const [delegates, agent] =
    trouble === null
      ? await Promise.all([Promise.all(known.map((each) => delegateHealth(with_, each))), agentHealth(with_)])
      : [[], null];
  return {
    checked_at: checkedAt,
    control_plane: { ready: trouble === null, message: trouble },
    delegates,
    gateways: gatewayHealth(with_),
    agent,
    tasks,
  };
}

/** One that registers anew under another id leaves its old row behind; only what was heard of since our start matters, or is all there is. */
function isShown({ store, presence, clock }: With, id: string): boolean {
  const seen = presence.seen(id);
  if (seen !== undefined) return clock.now() - seen.at < SHOWN_MS;
  return store.delegates.list().every((each) => presence.seen(each.id) === undefined);
}

async function delegateHealth(with_: With, delegate: DelegateRow): Promise<DelegateHealth> {
  const { store, presence, offers, closing } = with_;
  const { id, name, tags } = delegate;
  const seen = presence.seen(id);
  const connected = presence.isHere(id);
  const held = store.tasks.heldBy({ holder: id })?.count ?? 0;
  const others = store.delegates
    .list()
    .map((each) => each.id)
    .filter((each) => each !== id);
  const back =
    connected && offers.isServed(delegate)
      ? await roundTrip(
          with_,
          {
            type: "vm.status",
            gitspace: PROBE_GITSPACE,
            instance: null,
            generation: 1,
            data: { pools: true },
            notFor: others,
          },
          closing,
        )
      : undefined;
  const result = resultSchema("vm.status").safeParse(back?.result);
  const room = presence.room(id, held);
  return {
    identifier: id,
    name,
    tags: JSON.parse(tags) as string[],
    connected,
    last_heard: seen?.at ?? null,
    free_slots: connected && Number.isFinite(room) ? Math.max(0, room) : null,
    held_tasks: held,
    runner: back?.trip ?? null,
    pools: result.success ? (result.data.pools ?? null) : null,
  };
}

async function agentHealth(with_: With): Promise<InstallationHealth["agent"]> {
  const running = with_.store.probes.running();
  if (running === undefined) return null;
  const { id: gitspace, instance, generation } = running;
  const probe = { type: "gitspace.status", gitspace, instance, generation, data: {}, notFor: [] } as const;
  const { trip } = await roundTrip(with_, probe, with_.closing);
  return { gitspace_identifier: gitspace, round_trip: trip };
}

function gatewayHealth({ store, clock, gateways }: With): GatewayHealth[] {
  return store.gateways
    .list()
    .filter(({ at }) => clock.now() - at < SHOWN_MS)
    .map(({ name, version, healthy, at }) => {
      const seen = gateways.get(name);
      // The gateway's own clock is believed only where ours has heard nothing yet.
      const heard = seen?.heardAt ?? at;
      const connected = clock.now() - heard < GATEWAY_LOST_AFTER_MS;
      return { name, version, healthy: healthy === 1, connected, last_heard: heard, routes: seen?.routes ?? null };
    });
}
