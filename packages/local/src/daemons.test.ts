import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSecret } from "@gitspaces/daemon";
import { afterAll, beforeAll, expect, test } from "vitest";
import { daemonPrograms, type Layout } from "./daemons.ts";
import { portsFrom } from "./ports.ts";
import { makeSecrets } from "./secrets.ts";

let folder: string;
let layout: Layout;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "daemons-"));
  const ground = {
    hostAddress: "10.201.0.1",
    singleUser: false,
    runnerSettings: { GITSPACES_PROVIDER: "process", GITSPACES_VM_NETWORK: "10.201.0.0/16" },
  };
  const secrets = await makeSecrets(folder);
  layout = {
    dataFolder: folder,
    installation: "local-k3v9x2",
    ports: portsFrom(8400),
    secrets,
    edge: {},
    sharing: {},
    ground,
  };
});
afterAll(() => rmSync(folder, { recursive: true }));

test("no secret is in a daemon's environment or arguments, only paths of files", () => {
  const { secrets } = layout;
  const all = [secrets.adminToken, secrets.delegateToken, secrets.secretsKey, ...Object.values(secrets.redisPassword)];
  const values = all.map(readSecret);
  for (const program of Object.values(daemonPrograms(layout))) {
    const told = JSON.stringify([program.args, program.env]);
    expect(values.filter((value) => told.includes(value))).toEqual([]);
  }
});

test("each daemon has an admin port of its own, and all listen on loopback or the VM network", () => {
  const programs = Object.values(daemonPrograms(layout));
  expect(new Set(programs.map(({ adminPort }) => adminPort)).size).toBe(programs.length);
  const listens = programs.flatMap(({ env }) => Object.entries(env).filter(([name]) => name.endsWith("LISTEN")));
  expect(listens.length).toBeGreaterThanOrEqual(7);
  for (const [, address] of listens) expect(address).toMatch(/^(?:127\.0\.0\.1|10\.201\.0\.1):84\d\d$/);
});

test("the runner is told of its VMs' ground, and that VMs enrol at this machine's address there", () => {
  expect(daemonPrograms(layout).runner.env).toMatchObject({
    ...layout.ground.runnerSettings,
    GITSPACES_ENROL_LISTEN: "10.201.0.1:8404",
    GITSPACES_ENROL_URL: "https://10.201.0.1:8404",
  });
});

test("where VMs do not keep people apart, enrolment stays on loopback and one user is served", () => {
  const ground = { hostAddress: "127.0.0.1", singleUser: true, runnerSettings: { GITSPACES_ISOLATION: "none" } };
  const programs = daemonPrograms({ ...layout, ground });
  expect(programs.runner.env).toMatchObject({
    GITSPACES_ISOLATION: "none",
    GITSPACES_ENROL_LISTEN: "127.0.0.1:8404",
    GITSPACES_ENROL_URL: "https://127.0.0.1:8404",
  });
  expect(programs["control-plane"].env["GITSPACES_SINGLE_USER"]).toBe("true");
  expect(daemonPrograms(layout)["control-plane"].env["GITSPACES_SINGLE_USER"]).toBe("false");
});

test("with a certificate for browsers Gitspaces are https everywhere, and the gateway is told all of its edge", () => {
  const edge = {
    GITSPACES_TLS_CERTIFICATE_FILE: "/c.pem",
    GITSPACES_TLS_KEY_FILE: "/k.pem",
    GITSPACES_LIMIT_BODY_BYTES: "9",
  };
  const programs = daemonPrograms({ ...layout, edge });
  const url = "https://gitspaces.localhost:8401";
  expect(programs.gateway.env).toMatchObject({ ...edge, GITSPACES_PUBLIC_URL: url });
  expect(programs["control-plane"].env["GITSPACES_GITSPACES_URL"]).toBe(url);
  expect(daemonPrograms(layout).gateway.env["GITSPACES_PUBLIC_URL"]).toBe("http://gitspaces.localhost:8401");
});

test("how far owners may open ports is told to the control plane alone", () => {
  const programs = daemonPrograms({ ...layout, sharing: { GITSPACES_MOST_VISIBLE: "organisation" } });
  expect(programs["control-plane"].env["GITSPACES_MOST_VISIBLE"]).toBe("organisation");
  expect(programs.gateway.env["GITSPACES_MOST_VISIBLE"]).toBe(undefined);
});
