// The last gate before Compose creates containers: what features and labels of images have added passes the policy too.
// A program of its own, called through `gate/docker-compose` and `gate/docker`.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { checkCompose, type ComposeFile } from "./compose-policy.ts";
import { readGateBounds } from "./gate-bounds.ts";
import { orderServices } from "./compose-order.ts";
import { splitComposeArgs } from "./compose-args.ts";

const MOST_BYTES = 16 * 1024 * 1024;
const [program = "docker-compose", ...args] = process.argv.slice(2);
const { before, files, after } = splitComposeArgs(args);
const { bounds, tell } = readGateBounds();
const config = execFileSync(program, [...before, ...files.flatMap((file) => ["-f", file]), "config"], {
  encoding: "utf8",
  maxBuffer: MOST_BYTES,
  stdio: ["ignore", "pipe", "inherit"],
});
const { file, broken, notApplied } = checkCompose(parse(config) as ComposeFile, bounds);
tell(broken.map(({ service, key, rule }) => `Compose: ${key} of ${service} was not applied: ${rule}.`));
tell(notApplied);
const ordered = orderServices(file);
for (const { service, rule } of ordered.broken) process.stderr.write(`Compose: volumes of ${service}: ${rule}.\n`);
if (ordered.broken.length > 0) process.exit(1);
const folder = mkdtempSync(join(tmpdir(), "compose-"));
const checked = join(folder, "docker-compose.json");
writeFileSync(checked, JSON.stringify(ordered.file), { mode: 0o600 });
const child = spawn(program, [...before, "-f", checked, ...after], { stdio: "inherit" });
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => child.kill(signal));
child.on("error", () => process.exit(127));
child.on("exit", (code) => {
  rmSync(folder, { recursive: true, force: true });
  process.exit(code ?? 1);
});
