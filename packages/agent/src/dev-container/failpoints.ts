// The places on the way of a dev container at which a test may end this agent.

/** In the order of a start. */
export const devContainerFailpointNames: readonly string[] = [
  "agent.afterConfiguration",
  "agent.afterOldContainers",
  "agent.afterHomeVolume",
  "agent.afterUp",
  "agent.afterOwner",
  "agent.afterRaised",
  "agent.afterLifecycle",
  "agent.afterAttach",
];
