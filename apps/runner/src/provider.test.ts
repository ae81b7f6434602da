import { createLog, loadConfig } from "@gitspaces/daemon";
import { expect, test } from "vitest";
import { RunnerConfig } from "./config.ts";
import { openProvider } from "./provider.ts";

const common = {
  GITSPACES_DATA_FOLDER: "/data",
  GITSPACES_INSTALLATION: "local-ab12cd",
  GITSPACES_REDIS_URL: "redis://runner@127.0.0.1:7405",
  GITSPACES_POOL_FILE: "/data/pool.yml",
  GITSPACES_ENROL_LISTEN: "10.74.0.1:7404",
  GITSPACES_ENROL_URL: "https://10.74.0.1:7404",
  GITSPACES_CONTROL_PLANE_KEYS_FILE: "/data/keys.json",
  GITSPACES_DELEGATE_ENROL_TOKEN_FILE: "/data/delegate-token",
  GITSPACES_GATEWAY_ENROL_TOKEN_FILE: "/data/gateway-token",
};
const open = (more: NodeJS.ProcessEnv) =>
  openProvider(loadConfig(RunnerConfig, { env: { ...common, ...more }, argv: [] }), createLog("runner", "silent"));

test.each([
  [{}, /GITSPACES_IMAGES_FOLDER \(imagesFolder\) is missing and GITSPACES_PROVIDER is "process": .*bin\/up/],
  [
    { GITSPACES_IMAGES_FOLDER: "/images" },
    /GITSPACES_VM_NETWORK \(vmNetwork\) is missing and GITSPACES_PROVIDER is "process": .*10\.74\.0\.0\/16/,
  ],
  [
    { GITSPACES_PROVIDER: "docker", GITSPACES_DOCKER_SOCKET: "/nowhere/docker.sock" },
    /does not answer \(\/nowhere\/docker.sock: ENOENT\).*GITSPACES_DOCKER_SOCKET/,
  ],
])("settings %j that do not fit are told with their cure", async (more, words) => {
  await expect(open(more)).rejects.toThrow(words);
});
