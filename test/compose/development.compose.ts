// `docker-compose up` in a fresh clone, without .env and without a profile.
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import type { Api } from "../e2e/api.ts";
import { commitFiles, type GitServer, startGitServer } from "../e2e/git-server.ts";
import { follow, type Jar } from "../e2e/session.ts";
import { type Composition, openComposition } from "./composition.ts";
import { docker } from "./engine.ts";
import { untilWarm } from "./warm.ts";

const daemons = ["control-plane", "delegate", "runner", "gateway"] as const;
const servers = ["redis", ...daemons];
const MB = 1_000_000;
const layerLimits = { delegate: 60 * MB, gateway: 60 * MB, runner: 180 * MB };

let system: Composition;
let git: GitServer;
let api: Api;

beforeAll(async () => {
  git = await startGitServer();
  system = await openComposition(inject("clone"), "dev");
  await system.compose("up", "--detach");
  await system.healthy(...servers);
  api = await system.api();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await git[Symbol.asyncDispose]();
});

/** Where VMs find this machine. */
async function hostAddress(): Promise<string> {
  const format = "{{(index .IPAM.Config 0).Gateway}}";
  return await docker("network", "inspect", "--format", format, system.env["GITSPACES_DOCKER_NETWORK"] ?? "");
}

test("a Gitspace starts in a VM of the engine, and its IDE's page comes through the gateway", async () => {
  await untilWarm(api);
  const path = commitFiles(git.root, "hello", { "README.md": "hello\n" });
  const url = `http://${await hostAddress()}:${git.port}${path}`;
  const { identifier } = await api.create(url);
  const jar: Jar = new Map();
  await follow(await api.signInLink(identifier), jar);
  const page = await follow(`http://${identifier}.gitspaces.localhost:${system.gatewayPort}/`, jar);
  expect(page.status).toBe(200);
  expect(page.body).toContain("workbench");
  await api.stop(identifier);
  await api.call("DELETE", `gitspaces/${identifier}`);
}, 300_000);

test.each(servers)(
  "%s runs as an ordinary user without any right, on a root that cannot be written",
  async (service) => {
    const { HostConfig } = await system.inspect(service);
    expect(HostConfig.ReadonlyRootfs).toBe(true);
    expect(HostConfig.CapDrop).toEqual(["ALL"]);
    expect(HostConfig.SecurityOpt).toContain("no-new-privileges:true");
    const status = await system.compose("exec", "-T", service, "cat", "/proc/1/status");
    expect(status).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
  },
);

test("only the runner holds the engine's socket, once the VMs' image is made", async () => {
  const holders = [];
  for (const service of [...servers, "setup"]) {
    const { Mounts } = await system.inspect(service);
    if (Mounts.some(({ Destination }) => Destination.endsWith("docker.sock"))) holders.push(service);
  }
  expect(holders).toEqual(["runner"]);
  expect((await system.inspect("vm-image")).State).toMatchObject({ Status: "exited", ExitCode: 0 });
});

test("Redis and the control plane are not on the VMs' network, and what is published is on loopback", async () => {
  const vmNetwork = system.env["GITSPACES_DOCKER_NETWORK"] ?? "";
  const onVms = [];
  const published = [];
  for (const service of servers) {
    const { NetworkSettings } = await system.inspect(service);
    if (Object.keys(NetworkSettings.Networks).includes(vmNetwork)) onVms.push(service);
    published.push(
      ...Object.values(NetworkSettings.Ports).flatMap((bound) => bound?.map(({ HostIp }) => HostIp) ?? []),
    );
  }
  expect(onVms).toEqual(["runner", "gateway"]);
  expect([...new Set(published)]).toEqual(["127.0.0.1"]);
});

test("each service has its own secrets and no others", async () => {
  const kept = async (service: string) =>
    (
      await docker(
        "run",
        "--rm",
        "--volume",
        `${system.env["COMPOSE_PROJECT_NAME"]}_${service}-secrets:/s:ro`,
        "--entrypoint",
        "ls",
        `gitspaces/setup:${system.env["GITSPACES_VERSION"]}`,
        "/s",
      )
    ).split("\n");
  expect(await kept("delegate")).toEqual([
    "ca-fingerprint",
    "delegate-token",
    "enrol-token",
    "redis-password",
    "settings.yml",
    "trusted.pem",
  ]);
  expect(await kept("gateway")).toEqual([
    "ca-fingerprint",
    "enrol-token",
    "gateway-token",
    "redis-password",
    "session-key",
    "settings.yml",
    "trusted.pem",
  ]);
  expect(await kept("redis")).toEqual(["certificate.pem", "key.pem", "redis.conf", "users.acl"]);
});

test.each(Object.entries(layerLimits))("the image of %s adds less than %i bytes to its base", async (name, limit) => {
  const version = system.env["GITSPACES_VERSION"] ?? "";
  const base = Number(await docker("image", "inspect", "--format", "{{.Size}}", "node:24-bookworm-slim"));
  const size = Number(await docker("image", "inspect", "--format", "{{.Size}}", `gitspaces/${name}:${version}`));
  console.log(`${name}: ${((size - base) / MB).toFixed(1)} MB above its base`);
  expect(size - base).toBeGreaterThan(MB);
  expect(size - base).toBeLessThanOrEqual(limit);
});

test("everything restarts with the secrets it had, and what was there is there", async () => {
  const { identifier } = await api.call<{ identifier: string }>("POST", "gitspaces", {
    code_repo_url: "https://example.test/a/b",
  });
  const fingerprint = () =>
    system.compose(
      "exec",
      "-T",
      "gateway",
      "sha256sum",
      "/secrets/trusted.pem",
      "/secrets/settings.yml",
      "/secrets/session-key",
    );
  const before = await fingerprint();
  await system.compose("restart", "--timeout", "10");
  await system.compose("up", "--detach");
  await system.healthy(...servers);
  expect(await fingerprint()).toBe(before);
  expect(await api.call("GET", `gitspaces/${identifier}`)).toMatchObject({ identifier });
});

test("told to stop, every daemon ends by itself within ten seconds", async () => {
  await system.compose("stop", "--timeout", "10");
  for (const service of daemons)
    expect([service, (await system.inspect(service)).State.ExitCode]).toEqual([service, 0]);
});
