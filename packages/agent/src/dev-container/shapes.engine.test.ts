// Dev containers that are built first: of a Dockerfile, of a Compose file, with a feature of the repository.
import { expect, test } from "vitest";
import { NODE_IMAGE, Repository } from "../testing/repository.ts";

const ONE = ".devcontainer/devcontainer.json";

test("a Dockerfile: built with its arguments, its user known without being told, its context the repository", async () => {
  await using repository = await Repository.open({
    ".devcontainer/Dockerfile": `FROM ${NODE_IMAGE}\nARG WORD\nCOPY README.md /copied\nRUN echo $WORD >/word\nUSER node\n`,
    [ONE]: { build: { dockerfile: "Dockerfile", context: "..", args: { WORD: "built" } } },
  });
  const container = await repository.raise();
  expect(container).toMatchObject({ user: { name: "node", home: "/home/node" }, recovery: null, notApplied: [] });
  expect(await repository.inside(container, "cat /word /copied")).toBe("built\nhello");
  expect(repository.told("agent_devcontainer_start")).toEqual(["Starting from Dockerfile Dockerfile"]);
  expect(repository.told("agent_image_start")).toEqual(["Building the image"]);
  expect(repository.told("log").some((line) => /^Step \d+\/\d+ : COPY|COPY README/.test(line))).toBe(true);

  // What it is made of has changed: the next start makes another.
  repository.write({ ".devcontainer/Dockerfile": `FROM ${NODE_IMAGE}\nRUN echo other >/word\nUSER node\n` });
  const same = await repository.raise();
  expect({ why: "it runs, and nobody's programs are ended", id: same.id }).toMatchObject({ id: container.id });
  await repository.engine.ask(["stop", "--time", "0", container.id], AbortSignal.timeout(20_000));
  const other = await repository.raise();
  expect(await repository.inside(other, "cat /word")).toBe("other");
  await expect(repository.inside(container, "true")).rejects.toThrow(/No such container|not running/i);
}, 60_000);

test("Compose: a second service beside the dev container, named volumes, and no port of the VM", async () => {
  await using repository = await Repository.open({
    ".devcontainer/docker-compose.yml": `
services:
  app:
    build: { context: .., dockerfile: .devcontainer/Dockerfile }
    command: sleep infinity
    volumes: ["..:/workspaces/\${REPOSITORY:-w}:cached", "data:/data"]
    env_file: app.env
    depends_on: [db]
  db:
    image: ${NODE_IMAGE}
    restart: unless-stopped
    ports: ["5432:5432"]
    command: ["node", "-e", "require('net').createServer((s) => s.end('db')).listen(5432)"]
volumes: { data: {} }
`,
    ".devcontainer/app.env": "FLAVOUR=sweet\n",
    ".devcontainer/Dockerfile": `FROM ${NODE_IMAGE}\nRUN mkdir /data\n`,
    [ONE]: {
      dockerComposeFile: "docker-compose.yml",
      service: "app",
      workspaceFolder: "/workspaces/w",
      remoteUser: "node",
      postCreateCommand: "echo $FLAVOUR >made",
    },
  });
  const container = await repository.raise();
  expect(container).toMatchObject({ recovery: null, workspaceFolder: "/workspaces/w", user: { name: "node" } });
  expect(container.notApplied).toHaveLength(2);
  expect(await repository.inside(container, "cat /workspaces/w/made")).toBe("sweet");
  const ask = `require("net").connect(5432, "db").on("data", (d) => console.log(String(d)))`;
  await expect.poll(async () => await repository.inside(container, `node -e '${ask}'`)).toBe("db");
  await repository.inside(container, "echo kept >~/note");
  const again = await repository.raise();
  expect(again).toMatchObject({ id: container.id, notApplied: container.notApplied, recovery: null });
  const mounts = await repository.engine.ask(
    ["inspect", "--format", "{{range .Mounts}}{{.Name}} {{.Destination}};{{end}}", container.id],
    AbortSignal.timeout(10_000),
  );
  expect(mounts).toContain(`${repository.homeVolume} /home/node;`);
}, 60_000);

test("a feature of the repository is built in; one of two configurations is chosen, or the first is and says so", async () => {
  const configuration = (word: string) => ({ image: NODE_IMAGE, remoteUser: "node", containerEnv: { WORD: word } });
  await using repository = await Repository.open({
    ".devcontainer/one/devcontainer.json": configuration("one"),
    ".devcontainer/two/devcontainer.json": { ...configuration("two"), features: { "./greet": { name: "Ada" } } },
    ".devcontainer/two/greet/devcontainer-feature.json": {
      id: "greet",
      version: "1.0.0",
      name: "greet",
      options: { name: { type: "string", default: "" } },
      capAdd: ["SYS_ADMIN", "SYS_PTRACE"],
      privileged: true,
      customizations: { vscode: { extensions: ["of.feature"] } },
    },
    ".devcontainer/two/greet/install.sh": '#!/bin/sh\necho "hello $NAME" >/greeting\n',
  });
  const first = await repository.raise();
  expect(first.env["WORD"]).toBe("one");
  expect(repository.told("note").find((each) => each.includes("none was chosen"))).toContain(
    "one/devcontainer.json is used",
  );
  await repository.engine.ask(["stop", "--time", "0", first.id], AbortSignal.timeout(20_000));
  const second = await repository.raise({ devcontainerPath: ".devcontainer/two" });
  expect(second.recovery).toBeNull();
  expect(second.env["WORD"]).toBe("two");
  expect(await repository.inside(second, "cat /greeting")).toBe("hello Ada");
  expect(second.customizations.extensions).toEqual(["of.feature"]);
  // What the feature asked for beyond its rights never reached the engine.
  expect(second.notApplied).toHaveLength(2);
  const rights = await repository.engine.ask(
    ["inspect", "--format", "{{.HostConfig.Privileged}} {{.HostConfig.CapAdd}}", second.id],
    AbortSignal.timeout(10_000),
  );
  expect(rights.trim()).toMatch(/^false \[(?:CAP_)?SYS_PTRACE\]$/);
}, 60_000);
