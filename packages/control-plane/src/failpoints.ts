// The control plane's failpoints: one behind each transaction, and one behind each thing it hands out.

/** Passed by every start, stop or delete. `after<name>`: the transaction is on the disk and nobody has been answered yet. */
const stepsOfActions = ["Create", "Accept", "Acquire", "Events", "Answer"] as const;
/** Passed when time or a failure makes them: a deadline, a repeat, a silent holder, a regular look, an idle Gitspace, a new delegate. */
const stepsOfTime = ["Timeout", "Retry", "OfferAgain", "Look", "AutoStop", "Register"] as const;
/** No part of an action: who is there, and what gateways tell. */
const stepsOfPeople = [
  "AdminMade",
  "UserMade",
  "TokenMade",
  "TokenUsed",
  "TokenRevoked",
  "LinkMade",
  "LinkSpent",
  "VisitNoted",
  "SessionBegun",
  "SessionEnded",
  "SshKeyAdded",
  "SshKeyRemoved",
  "VisibilitySet",
  "MostVisibleSet",
  "ShareMade",
  "ShareEnded",
  "AccessTokenMade",
  "AccessTokenRevoked",
  "StatusAsked",
  "AutoStopSet",
  "ProbeMade",
  "Reports",
] as const;
export const stepNames = [...stepsOfActions, ...stepsOfTime, ...stepsOfPeople] as const;
export type StepName = (typeof stepNames)[number];

/** Behind no transaction: a delegate is about to be told of tasks, a gateway has been sent an access document. */
export const placedNames = ["control-plane.afterOffer", "control-plane.afterAccess"] as const;

export const afterStep = (name: StepName): string => `control-plane.after${name}`;

/** Every point that the life of a Gitspace passes when nothing goes wrong. */
export const failpointNames: readonly string[] = [...stepsOfActions.map(afterStep), ...placedNames];
/** Points on the way of an action that only time or a failure brings about. */
export const rareFailpointNames: readonly string[] = stepsOfTime.map(afterStep);
