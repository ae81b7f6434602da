// The units of deploy/systemd, as systemd reads them.
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { variableName } from "@gitspaces/daemon";
import { GatewayConfig } from "../../apps/gateway/src/config.ts";
import { ConfigSchema as DelegateConfig } from "../../apps/delegate/src/config.ts";
import { RunnerConfig } from "../../apps/runner/src/config.ts";

const run = promisify(execFile);
const checkout = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const source = join(checkout, "deploy/systemd");
const units = readdirSync(source).filter((name) => name.endsWith(".service"));
const settings = { delegate: DelegateConfig, runner: RunnerConfig, gateway: GatewayConfig };
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "units-"));
  // systemd looks whether the program is there: it is this checkout's.
  for (const name of units) {
    const text = readFileSync(join(source, name), "utf8").replaceAll("/opt/gitspaces/", `${checkout}/`);
    writeFileSync(join(folder, name), text);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

test("there is a unit for each daemon that an installation runs itself", () => {
  expect(units).toEqual(["gitspaces-delegate.service", "gitspaces-gateway.service", "gitspaces-runner.service"]);
});

test("systemd finds nothing wrong with them", async () => {
  const { stderr } = await run("systemd-analyze", ["verify", ...units.map((name) => join(folder, name))]);
  expect(stderr).toBe("");
});

test.each(units)("%s is exposed to little", async (name) => {
  const told = await run("systemd-analyze", ["--offline=true", "security", "--threshold=25", join(folder, name)]);
  expect(told.stdout).toMatch(/Overall exposure level/);
});

test.each(Object.entries(settings))(
  "the unit of the %s sets what that daemon reads, and all of its secrets",
  (name, schema) => {
    const text = readFileSync(join(source, `gitspaces-${name}.service`), "utf8");
    const keys = Object.keys(schema.shape);
    const set = [...text.matchAll(/^Environment=(.+)$/gm)].flatMap(([, line = ""]) => line.split(" "));
    const ours = set
      .map((pair) => pair.slice(0, pair.indexOf("=")))
      .filter((variable) => variable.startsWith("GITSPACES_"));
    expect(ours.filter((variable) => !keys.map(variableName).includes(variable))).toEqual([]);
    // The key of TLS is renewed while the gateway runs, and what systemd lends is a copy of its start.
    const secrets = keys
      .filter((key) => /(?:Token|Password|Key|Fingerprint|Keys)File$/.test(key) && key !== "tlsKeyFile")
      .map(variableName);
    const lent = [...text.matchAll(/^Environment=(\S+)=\/run\/credentials\/%n\/(\S+)$/gm)];
    expect(new Set(lent.map(([, variable]) => variable))).toEqual(new Set(secrets));
    for (const [, , file] of lent) expect(text).toContain(`\nLoadCredential=${file}:/`);
  },
);

test.each(units)("%s starts its daemon as its image does, in production and again when it ends", (name) => {
  const text = readFileSync(join(source, name), "utf8");
  const daemon = name.replace(/^gitspaces-(.*)\.service$/, "$1");
  const image = readFileSync(join(checkout, "Dockerfile"), "utf8");
  const [, entry = ""] = new RegExp(`^ENTRYPOINT \\["node", (.*${daemon}/src/main.ts")\\]$`, "m").exec(image) ?? [];
  const args = (JSON.parse(`[${entry}]`) as string[]).join(" ");
  expect(text).toContain(`ExecStart=/opt/gitspaces/node_modules/.bin/node ${args}\n`);
  expect(text).toMatch(/^Restart=always$/m);
  expect(text).toMatch(/^Environment=NODE_ENV=production /m);
});
