// The places on the way of a task, in the order of a start, a stop and a removal, at which a test may end this agent.

/** After each effect; each of them has a counterpart `before…` where it is a method of a port. */
export const failpointNames: readonly string[] = [
  "agent.afterIdentity",
  "agent.afterGeneration",
  "agent.afterTask",
  "agent.afterFact",
  "agent.afterHomeDisk",
  "agent.afterHomeClaim",
  "agent.afterHomeFurnished",
  "agent.afterCloneBegun",
  "agent.afterCheckout",
  "agent.afterSubmodules",
  "agent.afterHalfClone",
  "agent.afterClone",
  "agent.afterGitPrepared",
  "agent.afterDevcontainer",
  "agent.afterHook",
  "agent.afterHookNoted",
  "agent.afterIde",
  "agent.afterEvents",
  "agent.afterAnswer",
  "agent.afterIdeStop",
  "agent.afterProcesses",
  "agent.afterGitChanges",
  "agent.afterSync",
  "agent.afterRemoval",
];
