// Hooks that fail, and a start that is cut short.
import { expect, test } from "vitest";
import { NODE_IMAGE, Repository } from "../testing/repository.ts";
import { attachParts } from "./lifecycle.ts";

const ONE = ".devcontainer/devcontainer.json";

test("what runs on attaching is one program each", () => {
  expect(attachParts(["a && b", ["c", "d e"], { "my server": "f", x: ["g"] }, "", [], null])).toEqual([
    { label: "", args: ["/bin/sh", "-c", "a && b"] },
    { label: "", args: ["c", "d e"] },
    { label: "my-server", args: ["/bin/sh", "-c", "f"] },
    { label: "x", args: ["g"] },
  ]);
});

test("a hook that fails is named with its code and last words; the hooks after it run, and so does the container", async () => {
  await using repository = await Repository.open({
    [ONE]: {
      image: NODE_IMAGE,
      postCreateCommand: "echo cannot do it; exit 3",
      postStartCommand: "echo start >>started",
    },
  });
  const container = await repository.raise();
  expect(container.recovery).toBeNull();
  expect(container.notApplied).toEqual([expect.stringMatching(/^postCreateCommand ended with code 3; .*cannot do it/)]);
  expect(await repository.inside(container, `cat /workspaces/${repository.name}/started`)).toBe("start");
  expect(repository.told("agent_hooks_failed")).toHaveLength(1);
}, 30_000);

test("an abort ends everything that was at work, and the next start finds its way", async () => {
  await using repository = await Repository.open({
    [ONE]: { build: { dockerfile: "Dockerfile" } },
    ".devcontainer/Dockerfile": `FROM ${NODE_IMAGE}\nRUN sleep 2\n`,
  });
  const stop = new AbortController();
  const raising = repository.raise({}, stop.signal);
  await expect.poll(() => repository.told("agent_image_start"), { timeout: 10_000 }).toHaveLength(1);
  stop.abort(new Error("the deadline came"));
  await expect(raising).rejects.toThrow("the deadline came");
  const container = await repository.raise();
  expect(container.recovery).toBeNull();
}, 60_000);
