// Reads the control plane's own examination of the installation: each hop well, or the place where it is broken. Pure.
import type { DelegateHealth, GatewayHealth, InstallationHealth, PoolState, RoundTrip } from "@gitspaces/contracts";
import { type Finding, unknown, well, wrong } from "./finding.ts";

/** `logOf` names where the log of a daemon is, for the next step. */
export type LogOf = (daemon: string) => string;

/** What the examination says, from the inside out: control plane, delegates, runner, pools, gateways, agent. */
export function diagnose(health: InstallationHealth, logOf: LogOf): Finding[] {
  const { control_plane: own, delegates, gateways, agent } = health;
  const first = own.ready
    ? well("control plane", "answers and can write")
    : wrong("control plane", own.message ?? "it cannot work", `Look at ${logOf("control-plane")}.`);
  if (!own.ready) return [first];
  const isAnyServed = delegates.some(({ connected, runner }) => connected && runner !== null);
  return [
    first,
    ...(delegates.length === 0
      ? [wrong("delegate", "none has ever connected", "Start one; its GITSPACES_CONTROL_PLANE_URL is this address.")]
      : delegates.flatMap((each) => ofDelegate(each, isAnyServed, health.checked_at, logOf))),
    ...(gateways.length === 0
      ? [wrong("gateway", "none has ever connected", `Start one, or look at ${logOf("gateway")}.`)]
      : gateways.map((each) => ofGateway(each, health.checked_at, logOf))),
    agent === null
      ? unknown("agent", "no Gitspace runs, so none was asked (try: gitspaces doctor --start)")
      : ofAgent(agent.gitspace_identifier, agent.round_trip, logOf),
  ];
}

function ofDelegate(delegate: DelegateHealth, isAnyServed: boolean, now: number, logOf: LogOf): Finding[] {
  const { name, tags, connected, last_heard, free_slots, runner, pools } = delegate;
  const who = tags.length === 0 ? name : `${name} [${tags.join(", ")}]`;
  if (!connected) {
    const since = last_heard === null ? "not since the control plane started" : secondsAgo(last_heard, now);
    const cure = `Is its process there, and does it reach the control plane? Its log: ${logOf("delegate")}`;
    return [wrong("delegate", `${who} was last heard of ${since}`, cure)];
  }
  if (runner === null) {
    const unserved = `${who} gets no tasks: it has no name or tag of the control plane's GITSPACES_DELEGATE_SELECTORS`;
    const cure = "Give it such a tag (its GITSPACES_TAGS), or change the selectors.";
    return [isAnyServed ? unknown("delegate", unserved) : wrong("delegate", unserved, cure)];
  }
  if (runner.outcome === "not_taken") {
    const reason =
      free_slots === 0
        ? wrong("delegate", `${who} has no free slot`, "Wait for its tasks, or raise GITSPACES_SLOTS.")
        : wrong("delegate", `${who} takes no tasks`, `Is its process paused? Its log: ${logOf("delegate")}`);
    return [reason];
  }
  const slots = free_slots === null ? "" : `, ${free_slots} slots free`;
  return [
    well("delegate", `${who} heard of ${secondsAgo(last_heard ?? now, now)}${slots}`),
    ofRunner(name, runner, logOf),
    ...(pools ?? []).map((pool) => ofPool(pool, logOf)),
  ];
}

function ofRunner(delegate: string, trip: RoundTrip, logOf: LogOf): Finding {
  if (trip.outcome === "ok") return well("runner", `a task by way of ${delegate} was back in ${trip.took_ms} ms`);
  if (trip.outcome === "failed") return wrong("runner", trip.message ?? "a task failed", `Look at ${logOf("runner")}.`);
  return wrong(
    "runner",
    `a task by way of ${delegate} did not come back`,
    `Are Redis and a runner there? Look at ${logOf("runner")}, then ${logOf("redis")}.`,
  );
}

function ofPool({ name, warm, target, taken, max, trouble }: PoolState, logOf: LogOf): Finding {
  const figures = `${warm} of ${target} warm, ${taken} of at most ${max} VMs`;
  if (trouble !== null) return wrong(`pool ${name}`, `${figures}: ${trouble}`, `Look at ${logOf("runner")}.`);
  if (taken >= max && warm === 0)
    return wrong(`pool ${name}`, `${figures}: it is full`, 'Stop a Gitspace, or raise "max" in pool.yml.');
  return well(`pool ${name}`, figures);
}

function ofGateway(
  { name, connected, healthy, last_heard, routes }: GatewayHealth,
  now: number,
  logOf: LogOf,
): Finding {
  const heard = `${name} heard of ${secondsAgo(last_heard, now)}`;
  const cure = `Is its process there, and does it reach control plane and Redis? Its log: ${logOf("gateway")}`;
  if (!connected) return wrong("gateway", heard, cure);
  if (!healthy) return wrong("gateway", `${heard}; it says that it is not well`, cure);
  return well("gateway", routes === null ? heard : `${heard}, ${routes} ${routes === 1 ? "route" : "routes"}`);
}

function ofAgent(gitspace: string, { outcome, took_ms, message }: RoundTrip, logOf: LogOf): Finding {
  if (outcome === "ok") return well("agent", `a task through a gateway to ${gitspace} was back in ${took_ms} ms`);
  if (outcome === "not_taken")
    return wrong("agent", `no delegate took a task for ${gitspace}`, `Look at ${logOf("delegate")}.`);
  const said = outcome === "failed" ? `: ${message ?? "it failed"}` : " did not come back";
  const cure = `Look at ${logOf("gateway")}. If only this Gitspace is ill: gitspaces stop ${gitspace}, then start it.`;
  return wrong("agent", `a task through a gateway to ${gitspace}${said}`, cure);
}

function secondsAgo(at: number, now: number): string {
  return `${Math.max(0, Math.round((now - at) / 1_000))} s ago`;
}
