// Every failpoint on the way of a Gitspace's life, as each part lists its own.
import { failpointNames as delegate } from "../../apps/delegate/src/failpoints.ts";
import { failpointNames as gateway } from "../../apps/gateway/src/failpoints.ts";
import { failpointNames as runner } from "../../apps/runner/src/failpoints.ts";
import { failpointNames as agent } from "../../packages/agent/src/failpoints.ts";
import { failpointNames as controlPlane } from "../../packages/control-plane/src/failpoints.ts";

/** A life that nobody disturbs does not pass them: the task was cancelled or went to another delegate, its answer came late or was not wanted. */
const unusual = [
  "delegate.afterForget",
  "delegate.afterHold",
  "delegate.afterLateAnswerStored",
  "delegate.afterAnswerReopened",
  "delegate.afterEventsRefused",
  "delegate.afterCancelMarked",
  "delegate.afterCancelTold",
];

export const failpointsOnTheWay: readonly string[] = [
  ...controlPlane,
  ...delegate,
  ...runner,
  ...gateway,
  ...agent,
].filter((name) => !unusual.includes(name));
