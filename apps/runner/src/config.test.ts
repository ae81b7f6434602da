import { loadConfig } from "@gitspaces/daemon";
import { expect, test } from "vitest";
import { RunnerConfig } from "./config.ts";

const env = {
  GITSPACES_DATA_FOLDER: "/data",
  GITSPACES_INSTALLATION: "local-ab12cd",
  GITSPACES_REDIS_URL: "redis://runner@127.0.0.1:7405",
  GITSPACES_POOL_FILE: "/data/pool.yml",
  GITSPACES_IMAGES_FOLDER: "/data/images",
  GITSPACES_ENROL_LISTEN: "10.74.0.1:7404",
  GITSPACES_ENROL_URL: "https://10.74.0.1:7404",
  GITSPACES_CONTROL_PLANE_KEYS_FILE: "/data/keys.json",
  GITSPACES_DELEGATE_ENROL_TOKEN_FILE: "/data/delegate-token",
  GITSPACES_GATEWAY_ENROL_TOKEN_FILE: "/data/gateway-token",
};
const load = (more: NodeJS.ProcessEnv) => loadConfig(RunnerConfig, { env: { ...env, ...more }, argv: [] });

test("the rest has defaults that are safe: isolation, and a Redis that must keep its data", () => {
  expect(load({})).toMatchObject({
    isolation: "namespace",
    redisDurability: "required",
    vmStartMs: 60_000,
    sweepMs: 15_000,
    taskLockMs: 15_000,
    vmHostPorts: [],
  });
});

test.each([
  ["7404", [7404]],
  ["7404, 7405", [7404, 7405]],
])("host ports %j are %j", (text, ports) => {
  expect(load({ GITSPACES_VM_HOST_PORTS: text }).vmHostPorts).toEqual(ports);
});

test.each([
  ["GITSPACES_ENROL_URL", "http://10.74.0.1:7404"],
  ["GITSPACES_REDIS_URL", "http://127.0.0.1"],
  ["GITSPACES_ISOLATION", "perhaps"],
  ["GITSPACES_VM_HOST_PORTS", "seventy"],
  ["GITSPACES_ENROL_LISTEN", "7404"],
  ["GITSPACES_PROVIDER", "google"],
  ["GITSPACES_DOCKER_SOCKET", "tcp://10.0.0.1:2375"],
  ["GITSPACES_DOCKER_NETWORK", "-x"],
  ["GITSPACES_EGRESS_ALLOW", "everywhere"],
])("a wrong %s is named", (name, value) => {
  expect(() => load({ [name]: value })).toThrow(name);
});

test("the docker provider needs no more than its name; the process provider's settings may be left out", () => {
  const { GITSPACES_IMAGES_FOLDER: _, ...rest } = env;
  const config = loadConfig(RunnerConfig, { env: { ...rest, GITSPACES_PROVIDER: "docker" }, argv: [] });
  expect(config).toMatchObject({ provider: "docker", dockerSocket: "/var/run/docker.sock", egressAllow: [] });
  expect(config.dockerNetwork).toBeUndefined();
});

test("a socket may be named as DOCKER_HOST names it", () => {
  expect(load({ GITSPACES_DOCKER_SOCKET: "unix:///run/engine.sock" }).dockerSocket).toBe("/run/engine.sock");
  expect(load({ GITSPACES_EGRESS_ALLOW: "172.20.0.1:7404, 10.0.0.0/8" }).egressAllow).toEqual([
    "172.20.0.1:7404",
    "10.0.0.0/8",
  ]);
});
