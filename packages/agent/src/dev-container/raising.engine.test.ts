// Dev containers of real shapes, raised by the reference implementation on a real engine.
import { statSync } from "node:fs";
import { expect, test } from "vitest";
import { NODE_IMAGE, Repository } from "../testing/repository.ts";

const ONE = ".devcontainer/devcontainer.json";

test("an image: hooks run as the remote user, in the workspace that is theirs, with a home that outlives the container", async () => {
  await using repository = await Repository.open({
    [ONE]: {
      image: NODE_IMAGE,
      remoteUser: "node",
      containerEnv: { COLOUR: "blue" },
      remoteEnv: { PLACE: "${containerWorkspaceFolder}", PATH: "${containerEnv:PATH}:/extra" },
      onCreateCommand: "echo create >>~/hooks",
      updateContentCommand: ["sh", "-c", "echo update >>~/hooks"],
      postCreateCommand: { one: "id -un >>made-by", two: "echo $PLACE $COLOUR $TOKEN >>values" },
      postStartCommand: "echo start >>~/hooks",
      postAttachCommand: { server: "echo attached >>~/hooks; sleep 60" },
      forwardPorts: [3000, "db:5432"],
      portsAttributes: { "3000": { label: "web" } },
      customizations: { vscode: { extensions: ["a.b"], settings: { "editor.tabSize": 3 } } },
    },
  });
  const secrets = { git: [], variables: { TOKEN: "hush-hush" } };
  const container = await repository.raise({ secrets });
  const inside = `/workspaces/${repository.name}`;
  expect(container).toMatchObject({
    user: { name: "node", uid: 1000, gid: 1000, home: "/home/node", shell: "/bin/bash" },
    workspaceFolder: inside,
    libc: { kind: "glibc", version: "2.36" },
    customizations: { extensions: ["a.b"], settings: { "editor.tabSize": 3 } },
    forwardPorts: [3000, "db:5432"],
    portsAttributes: { "3000": { label: "web" } },
    recovery: null,
    notApplied: [],
  });
  expect(container.pid).toBeGreaterThan(1);
  expect(container.env).toMatchObject({ COLOUR: "blue", PLACE: inside });
  expect(container.env["PATH"]).toMatch(/^\/usr\/.*:\/extra$/);
  expect(await repository.inside(container, `cat ${inside}/made-by ${inside}/values`)).toBe(
    `node\n${inside} blue hush-hush`,
  );
  await expect
    .poll(async () => await repository.inside(container, "cat ~/hooks"))
    .toBe("create\nupdate\nstart\nattached");
  expect(statSync(repository.folder).uid).toBe(1000);
  expect(JSON.stringify(repository.events)).not.toContain("hush-hush");
  expect(repository.told("agent_hooks_completed")).toHaveLength(1);
  expect(repository.told("note")).toContain("The container is new: the hooks of creation run.");

  // A stop and a start: the same container, and only the hooks of a start.
  await repository.engine.ask(["stop", "--time", "0", container.id], AbortSignal.timeout(20_000));
  const again = await repository.raise({ secrets });
  expect(again.id).toBe(container.id);
  await expect
    .poll(async () => await repository.inside(again, "cat ~/hooks"))
    .toBe("create\nupdate\nstart\nattached\nstart\nattached");

  // Another VM has the home disk and no container: all hooks again, in a home that holds what it held.
  await repository.engine.ask(["rm", "--force", again.id], AbortSignal.timeout(20_000));
  const anew = await repository.raise();
  expect(anew.id).not.toBe(container.id);
  expect(await repository.inside(anew, "head -n 8 ~/hooks | tail -n 2")).toBe("create\nupdate");
}, 60_000);

test("no configuration at all: the default image, and nothing is wrong", async () => {
  await using repository = await Repository.open({});
  const container = await repository.raise();
  expect(container).toMatchObject({ recovery: null, user: { name: "root" }, notApplied: [] });
  expect(repository.told("note").some((each) => each.includes("has no devcontainer.json"))).toBe(true);
}, 30_000);
