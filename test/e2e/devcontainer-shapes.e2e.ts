// Every shape of dev container that repositories come with, started from a clone to its open IDE. What hooks print is the witness.
import { expect, inject, test } from "vitest";
import { apiClient } from "./api.ts";
import { commitFiles } from "./git-server.ts";
import { DEV_CONTAINER_IMAGE, MUSL_IMAGE } from "./provider.ts";
import { idePage, portPage } from "./session.ts";

const system = inject("system");
const git = inject("git");
const api = apiClient(system.ready.ui, system.adminToken);
const configuration = ".devcontainer/devcontainer.json";

/** A hook that prints what a shell expression gives, after a mark that it is found by. */
const tell = (expression: string) => `echo "SEEN[${expression}]"`;

/** Starts a Gitspace on these files and sees that its IDE opens. */
async function start(name: string, files: Record<string, string>, more: Record<string, unknown> = {}): Promise<string> {
  const { identifier } = await api.create(`${git.url}${commitFiles(git.root, name, files)}`, { name, ...more });
  await expectIde(identifier);
  return identifier;
}

async function expectIde(id: string): Promise<void> {
  const page = await idePage(system, api, id);
  expect([page.status, page.body.includes("workbench")]).toEqual([200, true]);
}

/** All that the hooks of a Gitspace printed after their mark. */
async function seen(id: string): Promise<string[]> {
  const lines = (await api.log(id)).map(({ out }) => out);
  return lines.flatMap((line) => [...line.matchAll(/SEEN\[(.*?)\]/g)].map(([, what]) => what ?? ""));
}

async function told(id: string): Promise<string> {
  return (await api.events(id)).map(({ message }) => message).join("\n");
}

async function remove(id: string): Promise<void> {
  await api.call("DELETE", `gitspaces/${id}`);
}

test("no devcontainer.json at all: the default image, with a person who is not root", async () => {
  const id = await start("bare", { "README.md": "# Bare\n" });
  expect(await told(id)).toContain("The repository has no devcontainer.json; the default image");
  await remove(id);
});

test("an image that has nothing of ours: its root, its own files", async () => {
  const id = await start("image", {
    [configuration]: JSON.stringify({
      image: "debian:bookworm-slim",
      containerEnv: { COLOUR: "blue" },
      postCreateCommand: tell("$(id -un) $(. /etc/os-release; echo $VERSION_CODENAME) $COLOUR"),
    }),
  });
  expect(await seen(id)).toContain("root bookworm blue");
  await remove(id);
});

test("a Dockerfile with an argument, and a feature of the repository on top", async () => {
  const id = await start("dockerfile", {
    ".devcontainer/Dockerfile": `ARG BASE\nFROM $BASE\nARG WORD\nUSER root\nRUN echo "$WORD" >/etc/from-dockerfile\nUSER dev\n`,
    ".devcontainer/tool/devcontainer-feature.json": JSON.stringify({ id: "tool", version: "1.0.0", name: "Tool" }),
    ".devcontainer/tool/install.sh":
      "#!/bin/sh\nprintf '#!/bin/sh\\necho tool works\\n' >/usr/local/bin/tool\nchmod 755 /usr/local/bin/tool\n",
    [configuration]: JSON.stringify({
      build: { dockerfile: "Dockerfile", args: { BASE: DEV_CONTAINER_IMAGE, WORD: "built here" } },
      features: { "./tool": {} },
      remoteUser: "dev",
      postCreateCommand: tell("$(id -un), $(cat /etc/from-dockerfile), $(tool)"),
    }),
  });
  expect(await seen(id)).toContain("dev, built here, tool works");
  await remove(id);
});

test("Compose: the service with the work reaches the other by name, and a named volume outlives a stop", async () => {
  const compose = {
    services: {
      work: { image: DEV_CONTAINER_IMAGE, command: "sleep infinity", volumes: ["..:/workspace", "kept:/kept"] },
      web: {
        image: DEV_CONTAINER_IMAGE,
        working_dir: "/srv",
        command: ["sh", "-c", "exec python3 -m http.server 8000"],
      },
    },
    volumes: { kept: {} },
  };
  const answers = "for n in 1 2 3 4 5 6 7 8 9 10; do curl -fsS -o /dev/null http://web:8000/ && break; sleep 1; done";
  const id = await start("compose", {
    // JSON is YAML too.
    ".devcontainer/compose.yml": JSON.stringify({ version: "3.8", ...compose }),
    [configuration]: JSON.stringify({
      dockerComposeFile: "compose.yml",
      service: "work",
      workspaceFolder: "/workspace",
      postCreateCommand: `sudo sh -c 'date +%s%N >/kept/made'; ${answers}; ${tell("web answered $?")}`,
      postStartCommand: tell("kept $(cat /kept/made)"),
    }),
  });
  const first = await seen(id);
  expect(first).toContain("web answered 0");
  const kept = first.filter((line) => /^kept \d+$/.test(line));
  expect(kept).toHaveLength(1);

  await api.stop(id);
  await api.start(id);
  await expectIde(id);
  expect((await seen(id)).filter((line) => line.startsWith("kept"))).toContain(kept[0]);
  await remove(id);
});

test("a monorepo: the configuration that is asked for, of two", async () => {
  const of = (name: string) => JSON.stringify({ image: DEV_CONTAINER_IMAGE, postCreateCommand: tell(`I am ${name}`) });
  const files = { ".devcontainer/api/devcontainer.json": of("api"), ".devcontainer/web/devcontainer.json": of("web") };
  const id = await start("monorepo", files, { devcontainer_path: ".devcontainer/web/devcontainer.json" });
  expect(await seen(id)).toEqual(["I am web"]);
  await remove(id);
});

test("an image without glibc: the IDE is the VM's, hooks and ports are the container's, and it is told", async () => {
  const id = await start("musl", {
    [configuration]: JSON.stringify({ image: MUSL_IMAGE, postCreateCommand: tell("$(ls /lib/ld-musl-*)") }),
  });
  expect((await seen(id)).join()).toContain("/lib/ld-musl-");
  expect(await told(id)).toMatch(/musl|C library|glibc/i);
  await remove(id);
});

test("a build that fails: the person gets in, is told what failed, mends it and starts again", async () => {
  const files = (line: string) => ({
    ".devcontainer/Dockerfile": `FROM ${DEV_CONTAINER_IMAGE}\nRUN ${line}\n`,
    [configuration]: JSON.stringify({ build: { dockerfile: "Dockerfile" }, postCreateCommand: tell("built") }),
  });
  const id = await start("mending", files("echo the-colour-is-missing >&2; exit 3"));
  expect(await told(id)).toMatch(/recovery/i);
  expect((await api.log(id)).map(({ out }) => out).join("\n")).toContain("the-colour-is-missing");
  await remove(id);
});

test("a server on the container's own localhost is reached through the gateway, and only while it runs", async () => {
  const id = await start("serving", {
    "who.txt": "I am inside\n",
    [configuration]: JSON.stringify({
      image: DEV_CONTAINER_IMAGE,
      forwardPorts: [3000],
      postStartCommand: "nohup python3 -m http.server 3000 --bind 127.0.0.1 >/dev/null 2>&1 &",
    }),
  });
  await expect.poll(() => portPage(system, api, id, 3000, "/who.txt"), { timeout: 20_000 }).toBe("I am inside\n");
  expect(await portPage(system, api, id, 3001, "/who.txt")).not.toContain("I am inside");
  await remove(id);
});
