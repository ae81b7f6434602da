// The last gate before a container is created: `docker run` with what the policy allows, whoever asked for the rest.
// A program of its own, called through `gate/docker`.
import { spawn } from "node:child_process";
import { readGateBounds } from "./gate-bounds.ts";
import { filterRun } from "./run-policy.ts";

const { bounds, tell } = readGateBounds();
const filtered = filterRun(process.argv.slice(3), bounds);
if ("unclear" in filtered) {
  process.stderr.write(`${filtered.unclear}\n`);
  process.exit(125);
}
tell(filtered.notApplied);
const child = spawn("docker", ["run", ...filtered.kept], { stdio: "inherit" });
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => child.kill(signal));
child.on("error", () => process.exit(127));
child.on("exit", (code) => process.exit(code ?? 1));
