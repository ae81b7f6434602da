// What is done to raise a dev container, and which failpoint comes after it. A new effect has to be entered here.
import { failpointComplaints, type Reasons } from "@gitspaces/daemon/testing/failpoints";
import { expect, test } from "vitest";
import { devContainerFailpointNames } from "./failpoints.ts";

const reasons: Reasons = {
  "raising.ts": {},
  "bringing-up.ts": {},
  "preparation.ts": {},
  "lifecycle.ts": {},
  "registry-login.ts": {},
  "ownership.ts": {},
  "existing-containers.ts": {},
  "compose-file.ts": {},
  "container-facts.ts": {},
  "home-guess.ts": {},
  "cli.ts": {},
  "raised-record.ts": {},
};
const effects = [
  "writeDurably",
  "writeFileSync",
  "rmSync",
  "mkdirSync",
  "appendFileSync",
  "writeCompose",
  "writeRaised",
];

test("each effect on the way of a dev container has a failpoint, or a reason to have none", () => {
  const folder = import.meta.dirname;
  const names = devContainerFailpointNames;
  expect(failpointComplaints({ daemon: "agent", folder, names, reasons, effects })).toEqual([]);
});
