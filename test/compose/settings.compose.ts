// What the files of Compose say, and what the daemons answer to settings that are wrong.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { type Composition, openComposition } from "./composition.ts";
import { buildWithBuildKit, docker } from "./engine.ts";

const development = ["control-plane", "delegate", "gateway", "redis", "runner", "setup", "vm-image"];
const profiles: Record<string, string[]> = {
  vm1: ["vm1-delegate", "vm1-redis", "vm1-runner", "vm1-setup"],
  vm2: ["vm2-gateway"],
  dev: [],
};

let system: Composition;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "settings-"));
  system = await openComposition(inject("clone"), "settings");
  await system.compose("build", "delegate", "runner", "gateway", "control-plane");
  writeFileSync(join(folder, "secret"), "s".repeat(32));
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("without a profile the file is the development system", async () => {
  const services = JSON.parse(await configOf()) as { services: Record<string, { profiles?: string[] }> };
  const plain = Object.entries(services.services).filter(([, { profiles: named }]) => named === undefined);
  expect(plain.map(([name]) => name).toSorted()).toEqual(development);
});

test.each(Object.entries(profiles))("the profile %s adds %j", async (profile, added) => {
  const { services } = JSON.parse(await configOf("--profile", profile)) as {
    services: Record<string, { profiles?: string[] }>;
  };
  const named = Object.entries(services).filter(([, service]) => service.profiles?.includes(profile) ?? false);
  expect(named.map(([name]) => name).toSorted()).toEqual(added);
});

test("the images build with BuildKit as they do with the builder before it", async () => {
  const folder = inject("clone").folder;
  const images = ["delegate", "runner", "gateway", "control-plane", "setup"];
  for (const target of images)
    expect(await buildWithBuildKit(["build", "--quiet", "--target", target, folder])).toMatch(/^sha256:/);
}, 600_000);

/** The file as Compose understands it, as JSON. */
async function configOf(...options: string[]): Promise<string> {
  const yaml = await system.compose(...options, "config");
  const { parse } = await import("yaml");
  return JSON.stringify(parse(yaml));
}

/** What each daemon needs to start at all, and mistakes with the variable that the message should name. */
const common = { GITSPACES_INSTALLATION: "local", GITSPACES_DATA_FOLDER: "/data" };
const redis = { GITSPACES_REDIS_URL: "rediss://user@redis:6379", GITSPACES_REDIS_PASSWORD_FILE: "/s/secret" };
const joining = {
  GITSPACES_ENROL_URL: "https://runner:7404",
  GITSPACES_CA_FINGERPRINT_FILE: "/s/secret",
  GITSPACES_ENROL_TOKEN_FILE: "/s/secret",
};
const right: Record<string, Record<string, string>> = {
  delegate: {
    ...common,
    ...redis,
    ...joining,
    GITSPACES_CONTROL_PLANE_URL: "http://control-plane:7400",
    GITSPACES_ACCOUNT_ID: "local",
    GITSPACES_DELEGATE_NAME: "local",
    GITSPACES_DELEGATE_TOKEN_FILE: "/s/secret",
    GITSPACES_GATEWAY_TASKS_URL: "https://gateway:7403",
  },
  runner: {
    ...common,
    ...redis,
    GITSPACES_PROVIDER: "docker",
    GITSPACES_POOL_FILE: "/s/pool.yml",
    GITSPACES_ENROL_LISTEN: "0.0.0.0:7404",
    GITSPACES_ENROL_URL: "https://runner:7404",
    GITSPACES_CONTROL_PLANE_KEYS_FILE: "/s/secret",
    GITSPACES_DELEGATE_ENROL_TOKEN_FILE: "/s/secret",
    GITSPACES_GATEWAY_ENROL_TOKEN_FILE: "/s/secret",
  },
  gateway: {
    ...common,
    ...redis,
    ...joining,
    GITSPACES_CONTROL_PLANE_URL: "http://control-plane:7400",
    GITSPACES_CONTROL_PLANE_PUBLIC_URL: "http://localhost:7400",
    GITSPACES_GATEWAY_TOKEN_FILE: "/s/secret",
    GITSPACES_SESSION_KEY_FILE: "/s/secret",
  },
  "control-plane": {
    ...common,
    GITSPACES_ACCOUNT_ID: "local",
    GITSPACES_DELEGATE_TOKEN_FILE: "/s/secret",
    GITSPACES_GATEWAY_TOKEN_FILE: "/s/secret",
    GITSPACES_ADMIN_TOKEN_FILE: "/s/secret",
    GITSPACES_SIGNING_KEY_FILE: "/s/secret",
    GITSPACES_SECRETS_KEY_FILE: "/s/secret",
  },
};
const mistakes: [daemon: string, mistake: Record<string, string>][] = [
  ["delegate", { GITSPACES_CONTROL_PLANE_URL: "" }],
  ["delegate", { GITSPACES_CONTROL_PLANE_URL: "control-plane" }],
  ["delegate", { GITSPACES_ACCOUNT_ID: "" }],
  ["delegate", { GITSPACES_DELEGATE_NAME: "Not A Name" }],
  ["delegate", { GITSPACES_SLOTS: "none" }],
  ["delegate", { GITSPACES_REDIS_URL: "redis" }],
  ["delegate", { GITSPACES_GATEWAY_TASKS_URL: "http://gateway:7403" }],
  ["delegate", { GITSPACES_ENROL_URL: "runner:7404" }],
  ["delegate", { GITSPACES_LOG_LEVEL: "loud" }],
  ["delegate", { GITSPACES_FAILPOINT: "delegate.afterAccept" }],
  ["runner", { GITSPACES_PROVIDER: "gce" }],
  ["runner", { GITSPACES_DOCKER_NETWORK: "not a name" }],
  ["runner", { GITSPACES_DOCKER_SOCKET: "tcp://engine:2375" }],
  ["runner", { GITSPACES_EGRESS_ALLOW: "example" }],
  ["runner", { GITSPACES_ENROL_URL: "" }],
  ["runner", { GITSPACES_SWEEP_MS: "soon" }],
  ["runner", { GITSPACES_VM_START_MS: "1" }],
  ["runner", { GITSPACES_REDIS_URL: "" }],
  ["gateway", { GITSPACES_DOMAIN: "Not.A.Domain!" }],
  ["gateway", { GITSPACES_PUBLIC_URL: "gitspaces.localhost" }],
  ["gateway", { GITSPACES_CONTROL_PLANE_URL: "" }],
  ["gateway", { GITSPACES_CONTROL_PLANE_PUBLIC_URL: "" }],
  ["gateway", { GITSPACES_REDIS_URL: "" }],
  ["gateway", { GITSPACES_ENROL_URL: "http://runner:7404" }],
  ["gateway", { GITSPACES_GATEWAY_NAME: "Not A Name" }],
  ["control-plane", { GITSPACES_ACCOUNT_ID: "" }],
  ["control-plane", { GITSPACES_LISTEN: "nowhere" }],
  ["control-plane", { GITSPACES_DELETE_GRACE_MS: "-1" }],
];

test.each(mistakes)("%s answers %j with one line that names it, and ends with 1", async (daemon, mistake) => {
  const variables = Object.entries({ ...right[daemon], ...mistake }).flatMap(([name, value]) => [
    "--env",
    `${name}=${value}`,
  ]);
  const image = `gitspaces/${daemon}:${system.env["GITSPACES_VERSION"]}`;
  const args = ["run", "--rm", "--read-only", "--network", "none", "--volume", `${folder}:/s:ro`, ...variables, image];
  const refusal = await docker(...args).then(
    () => undefined,
    (error: unknown) => error as { code: number; stderr: string },
  );
  expect(refusal?.code).toBe(1);
  const [variable = ""] = Object.keys(mistake);
  const lines = refusal?.stderr.split("\n").filter((line) => line.includes(variable)) ?? [];
  expect(lines).toHaveLength(1);
  expect(refusal?.stderr.split("\n").filter((line) => /GITSPACES_/.test(line))).toEqual(lines);
});
