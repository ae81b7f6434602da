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
])("a wrong %s is named", (name, value) => {
  expect(() => load({ [name]: value })).toThrow(name);
});
