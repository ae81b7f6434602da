// What was asked to be measured. Imported first, since what the tests know of VMs is read from the environment once, and dev
// containers are measured where VMs have an engine.
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    runs: { type: "string" },
    rounds: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});

export const asked = { ...values, name: positionals[0] ?? "" };
if (asked.name === "devcontainer") process.env["GITSPACES_TEST_PROVIDER"] ??= "docker";
