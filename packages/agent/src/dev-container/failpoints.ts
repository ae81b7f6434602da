// The places on the way of a dev container at which a test may end this agent.

/** In the order of a warm VM, a start, a return and a stop. */
export const devContainerFailpointNames: readonly string[] = [
  "agent.afterImage",
  "agent.afterPreload",
  "agent.afterHomeLaidOut",
  "agent.afterVolumes",
  "agent.afterConfiguration",
  "agent.afterOldContainers",
  "agent.afterHomeVolume",
  "agent.afterUp",
  "agent.afterOwner",
  "agent.afterRaised",
  "agent.afterGitInside",
  "agent.afterLifecycle",
  "agent.afterAttach",
  "agent.afterContainer",
  "agent.afterContainerIde",
  "agent.afterReturn",
  "agent.afterChangesKept",
  "agent.afterContainerIdeStop",
  "agent.afterContainersStopped",
  "agent.afterEngineStopped",
  "agent.afterVolumesAway",
];
