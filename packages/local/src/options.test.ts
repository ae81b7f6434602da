import { basename, isAbsolute } from "node:path";
import { expect, test } from "vitest";
import { dataFolderFrom, readOptions } from "./options.ts";

test("without arguments: port 7400, the checkout's .data, with the sample, in the foreground", () => {
  const options = readOptions({}, {}, 1_000);
  expect(options).toMatchObject({ detach: false, json: false, sample: true, vmHostPorts: [], startedAt: 1_000 });
  expect(options.ports.control_plane).toBe(7400);
  expect(basename(options.dataFolder)).toBe(".data");
});

test("a relative data folder is relative to where the command was typed", () => {
  expect(isAbsolute(dataFolderFrom("here"))).toBe(true);
  expect(dataFolderFrom("here")).toBe(`${process.cwd()}/here`);
});

test("the ports that Gitspaces may reach are read from the environment", () => {
  expect(readOptions({}, { GITSPACES_VM_HOST_PORTS: "3128, 8080" }, 0).vmHostPorts).toEqual([3128, 8080]);
});

test.each(["http", "0", "3128;8080", "70000"])("GITSPACES_VM_HOST_PORTS=%s is refused by name", (text) => {
  expect(() => readOptions({}, { GITSPACES_VM_HOST_PORTS: text }, 0)).toThrow(
    "GITSPACES_VM_HOST_PORTS should be port numbers",
  );
});

test("a port base that is no number is refused by name", () => {
  expect(() => readOptions({ portBase: "many" }, {}, 0)).toThrow("--port-base should be");
});

test("the time counts from when the launcher began, installation included", () => {
  expect(readOptions({}, { GITSPACES_UP_STARTED_AT: "500" }, 1_000).startedAt).toBe(500);
});

test("the kind of VM is the command line's, else the environment's, else the data folder's own", () => {
  expect(readOptions({ provider: "docker" }, { GITSPACES_PROVIDER: "process" }, 0).provider).toBe("docker");
  expect(readOptions({}, { GITSPACES_PROVIDER: "docker" }, 0).provider).toBe("docker");
  expect(readOptions({}, {}, 0).provider).toBeUndefined();
});

test.each([
  ["--provider", { provider: "podman" }, {}],
  ["GITSPACES_PROVIDER", {}, { GITSPACES_PROVIDER: "podman" }],
])("%s that is no kind of VM is refused by name", (name, given, env) => {
  expect(() => readOptions(given, env, 0)).toThrow(`${name} should be process or docker, and is "podman".`);
});

test("what is said about the gateway's edge is passed on, and nothing else", () => {
  const edge = {
    GITSPACES_TLS_KEY_FILE: "/k.pem",
    GITSPACES_LIMIT_HEAD_BYTES: "9000",
    GITSPACES_TRUSTED_PROXIES: "::1",
    GITSPACES_FORWARDER: "http-proxy",
  };
  expect(readOptions({}, { ...edge, GITSPACES_SESSION_KEY_FILE: "/s", GITSPACES_HSTS_SECONDS: "" }, 0).edge).toEqual(
    edge,
  );
});
