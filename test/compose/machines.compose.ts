// The profiles vm1 and vm2 as two machines, with a control plane on a third: each a network of its own, and between them only what
// the table in .env.example opens.
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { commitFiles, type GitServer, startGitServer } from "../e2e/git-server.ts";
import { follow, type Jar } from "../e2e/session.ts";
import { type Composition, openComposition } from "./composition.ts";
import { docker } from "./engine.ts";
import { addressOf, openFirewall } from "./firewall.ts";
import { untilWarm } from "./warm.ts";

const OWNER = 1_000;
const vms = `gst${process.pid}machines-vms`;
const override = join(import.meta.dirname, "one-engine.yml");
/** Addresses of loopback that nobody else uses: what the machines publish is published there. */
const local = (machine: number) => `127.77.${process.pid % 250}.${machine}`;

const opened = new AsyncDisposableStack();
let controlPlane: Composition;
let vm1: Composition;
let vm2: Composition;
let git: GitServer;

beforeAll(async () => {
  const clone = inject("clone");
  git = opened.use(await startGitServer());
  const work = mkdtempSync(join(tmpdir(), "machines-"));
  opened.defer(() => rmSync(work, { recursive: true, force: true }));
  await docker("network", "create", vms);
  opened.defer(async () => void (await docker("network", "rm", vms)));

  controlPlane = opened.use(await openComposition(clone, "cp"));
  await controlPlane.compose("up", "--detach", "control-plane", "vm-image");
  await controlPlane.healthy("control-plane");

  const machine = (profile: string, number: number) => ({
    COMPOSE_PROFILES: profile,
    GITSPACES_DEVELOPMENT: "0",
    GITSPACES_BIND_ADDRESS: local(number),
    GITSPACES_DOCKER_NETWORK: vms,
    GITSPACES_CONTROL_PLANE_URL: "http://control-plane:7400",
    GITSPACES_ACCOUNT_ID: "local",
  });
  const given = join(work, "given");
  mkdirSync(given);
  for (const name of ["delegate-token", "gateway-token", "control-plane-keys.json"])
    hand(join(given, name), await controlPlane.compose("exec", "-T", "control-plane", "cat", `/secrets/${name}`));
  vm1 = opened.use(
    await openComposition(clone, "vm1", {
      files: [override],
      env: {
        ...machine("vm1", 1),
        GITSPACES_GIVEN_FILES: given,
        // As the VMs reach it, on their own network.
        GITSPACES_ENROL_URL: "https://gitspaces-runner:7404",
        GITSPACES_REDIS_NAMES: "vm1",
        GITSPACES_GATEWAY_TASKS_URL: "https://vm2:7403",
      },
    }),
  );
  await vm1.compose("up", "--detach");

  const gatewayFiles = join(work, "gateway");
  mkdirSync(gatewayFiles, { mode: 0o700 });
  chownSync(gatewayFiles, OWNER, OWNER);
  const volume = `${vm1.env["COMPOSE_PROJECT_NAME"]}_gateway-secrets`;
  const setup = `gitspaces/setup:${clone.env["GITSPACES_VERSION"]}`;
  const copy = ["--volume", `${volume}:/from:ro`, "--volume", `${gatewayFiles}:/to`, "--entrypoint", "cp", setup];
  await docker("run", "--rm", ...copy, "--recursive", "--preserve=mode", "/from/.", "/to");
  vm2 = opened.use(
    await openComposition(clone, "vm2", {
      files: [override],
      env: {
        ...machine("vm2", 2),
        GITSPACES_GATEWAY_PORT: String(controlPlane.gatewayPort),
        GITSPACES_GATEWAY_FILES: gatewayFiles,
        GITSPACES_REDIS_URL: "rediss://gateway@vm1:6379",
        GITSPACES_ENROL_URL: "https://vm1:7404",
        GITSPACES_PUBLIC_URL: `http://gitspaces.localhost:${controlPlane.gatewayPort}`,
        GITSPACES_CONTROL_PLANE_PUBLIC_URL: `http://localhost:${controlPlane.controlPlanePort}`,
      },
    }),
  );
  await vm2.compose("up", "--detach");

  const networks = {
    "control-plane": networkOf(controlPlane),
    vm1: networkOf(vm1),
    vm2: networkOf(vm2),
  };
  const container = async (composition: Composition, service: string) =>
    (await composition.inspect(service)).Name.slice(1);
  opened.use(
    await openFirewall(`gst${process.pid}-firewall`, setup, networks, [
      { from: "vm2", to: "vm1", port: 6379, container: await container(vm1, "vm1-redis") },
      { from: "vm2", to: "vm1", port: 7404, container: await container(vm1, "vm1-runner") },
      { from: "vm1", to: "vm2", port: 7403, container: await container(vm2, "vm2-gateway") },
      { from: "vm1", to: "control-plane", port: 7400, container: await container(controlPlane, "control-plane") },
      { from: "vm2", to: "control-plane", port: 7400, container: await container(controlPlane, "control-plane") },
    ]),
  );
  await vm1.healthy("vm1-redis", "vm1-runner", "vm1-delegate");
  await vm2.healthy("vm2-gateway");
});
afterAll(async () => await opened.disposeAsync());

function hand(file: string, text: string): void {
  writeFileSync(file, text);
  chmodSync(file, 0o600);
  chownSync(file, OWNER, OWNER);
}

const networkOf = ({ env }: Composition) => `${env["COMPOSE_PROJECT_NAME"]}_default`;

test("a machine runs its own services and nothing of the development system", async () => {
  const running = async (composition: Composition) => {
    const mine = `label=com.docker.compose.project=${composition.env["COMPOSE_PROJECT_NAME"]}`;
    const format = '{{.Label "com.docker.compose.service"}}';
    return (await docker("ps", "--filter", mine, "--format", format)).split("\n").toSorted();
  };
  expect(await running(vm1)).toEqual(["vm1-delegate", "vm1-redis", "vm1-runner"]);
  expect(await running(vm2)).toEqual(["vm2-gateway"]);
});

test("a port that the table does not open is not reached from the other machine", async () => {
  const redis = await addressOf((await vm1.inspect("vm1-redis")).Name.slice(1), networkOf(vm1));
  const trial = `const s = require("net").connect(6379, "${redis}"); s.setTimeout(2000, () => process.exit(3));
    s.on("connect", () => process.exit(0)).on("error", () => process.exit(3));`;
  await expect(vm2.compose("exec", "-T", "vm2-gateway", "node", "-e", trial)).rejects.toMatchObject({ code: 3 });
  const open = trial.replace(redis, "vm1");
  await vm2.compose("exec", "-T", "vm2-gateway", "node", "-e", open);
});

test("a Gitspace starts across the machines, and its IDE's page comes through the second", async () => {
  const api = await controlPlane.api();
  await untilWarm(api);
  const path = commitFiles(git.root, "hello", { "README.md": "hello\n" });
  const { identifier } = await api.create(`http://${await vmsGateway()}:${git.port}${path}`);
  const jar: Jar = new Map();
  await follow(await api.signInLink(identifier), jar);
  const page = await follow(`http://${identifier}.gitspaces.localhost:${controlPlane.gatewayPort}/`, jar);
  expect(page.status).toBe(200);
  expect(page.body).toContain("workbench");
  await api.stop(identifier);
  await api.call("DELETE", `gitspaces/${identifier}`);
}, 300_000);

async function vmsGateway(): Promise<string> {
  return await docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", vms);
}
