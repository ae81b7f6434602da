// What is done on the way of a task through the gateway, and which failpoint comes after it.
import { failpointComplaints, type Reasons } from "@gitspaces/daemon/testing/failpoints";
import { expect, test } from "vitest";
import { failpointNames } from "./failpoints.ts";

const reasons: Reasons = {
  "task-relay.ts": {
    "routes.find": "gateway.afterRoute",
    readBody: "reads what was sent",
    request: "reads what was sent",
    pass: "its own effects have failpoints",
    httpsRequest: "gateway.afterSubmitted",
    "response.writeHead": "the status goes with the first event or the end of the answer",
    pipeline: "gateway.afterAnswer",
  },
};
const effects = ["routes.find", "httpsRequest", "writeHead", "pipeline"];

test("I2 E1: each effect of the gateway on the way of a task has a failpoint, or a reason to have none", () => {
  const daemon = "gateway";
  const folder = import.meta.dirname;
  expect(failpointComplaints({ daemon, folder, names: failpointNames, reasons, effects })).toEqual([]);
});
