// What a VM's container is told of failpoints: by the engine's body alone, nothing is made.
import { expect, test } from "vitest";
import { namesOf } from "./names.ts";
import { vmContainer, type VmSettings } from "./vm-container.ts";

function bodyOf(settings: Partial<VmSettings>, labels = {}) {
  const pool = { name: "default", type: "docker" as const, image: "gitspaces/vm:latest" };
  const request = { id: "vm-1", pool, labels, metadata: {} };
  return vmContainer(
    request as unknown as Parameters<typeof vmContainer>[0],
    { network: "bridge", address: undefined },
    namesOf("test"),
    { egressAllow: [], processors: 2, ...settings },
    0,
  );
}

/** The environment that the agent finds, with what the image says. */
function environmentOf(settings: Partial<VmSettings>): NodeJS.ProcessEnv {
  const body = bodyOf(settings);
  const given = body.Env.map((each) => [each.slice(0, each.indexOf("=")), each.slice(each.indexOf("=") + 1)]);
  return { NODE_ENV: "production", ...(Object.fromEntries(given) as NodeJS.ProcessEnv) };
}

test("a VM with a failpoint folder is a test's, although its image is made for production, where agents refuse failpoints", () => {
  expect(environmentOf({ failpointFolder: "/points" })).toEqual({
    NODE_ENV: "test",
    GITSPACES_FAILPOINT_FOLDER: "/points",
  });
});

test("a VM without a failpoint folder stays as its image says", () => {
  expect(environmentOf({})).toEqual({ NODE_ENV: "production" });
});

test("a VM that waits steps back for a processor behind one that is made for a Gitspace", () => {
  const waiting = bodyOf({}).HostConfig.CpuShares;
  const working = bodyOf({}, { "gs-gitspace": "hello-k3v9x2" }).HostConfig.CpuShares;
  expect(waiting).toBeLessThan(working);
});
