// What somebody is told who meets a limit: which one, by the name an administrator can change it by. Each meeting is counted.
import { fail, type FailureError } from "@gitspaces/contracts";
import { counter, variableName } from "@gitspaces/daemon";
import type { LimitName } from "./config.ts";

const words: Record<LimitName, string> = {
  limitHeadBytes: "The request's headers are too long.",
  limitHeadSeconds: "The request's headers took too long.",
  limitKeepAliveSeconds: "The connection idled too long.",
  limitBodyBytes: "The request's body is too long.",
  limitBodyPauseSeconds: "The request's body paused too long.",
  limitUnreadSeconds: "The answer was not read.",
  limitConnectionsPerAddress: "There are too many connections from this address.",
  limitVisitsPerAddress: "Too much is open from this address at the same time.",
  limitVisitsPerUser: "Too much of yours is open at the same time.",
  limitVisitsPerGitspace: "Too much is open to this Gitspace at the same time.",
  limitUpgradesPendingPerGitspace: "Too many upgrades wait for this Gitspace to answer.",
  limitRequestsPerSecondPerAddress: "Requests from this address come too fast.",
  limitRequestsPerSecondPerUser: "Your requests come too fast.",
  limitRequestsPerSecondPerGitspace: "Requests to this Gitspace come too fast.",
};

/** Counts a limit that was met, as `gitspaces_gateway_<limit>_total`. */
export function countLimit(name: LimitName): void {
  const snake = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  counter(`gitspaces_gateway_${snake}_total`, words[name]).increment();
}

/** The sentence for whoever meets a limit. */
export function limitText(name: LimitName): string {
  return `${words[name]} The limit is ${variableName(name)}.`;
}

/** The error for whoever meets a limit; it is counted. */
export function limitHit(name: LimitName): FailureError {
  countLimit(name);
  return fail("quota_exceeded", limitText(name), { details: { limit: variableName(name) } });
}
