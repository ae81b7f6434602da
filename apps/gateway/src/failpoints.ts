// The places on the way of a task through this gateway at which a test may end it.

/** In the order of a task: sent to the agent, accepted by it, then its events and its answer on their way back. */
export const failpointNames: readonly string[] = [
  "gateway.afterRoute",
  "gateway.afterSubmitted",
  "gateway.afterAccepted",
  "gateway.afterFollowed",
  "gateway.afterEvents",
  "gateway.afterAnswer",
];
