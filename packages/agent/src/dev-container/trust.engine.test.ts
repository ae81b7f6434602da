// What images bring along, what is lent to a start, and what a killed agent leaves behind, on a real engine.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NODE_IMAGE, Repository } from "../testing/repository.ts";
import { RAISING } from "./cli.ts";
import { markedProcesses } from "./marked-processes.ts";

const ONE = ".devcontainer/devcontainer.json";
const HOSTILE = [
  { privileged: true, capAdd: ["SYS_ADMIN"], mounts: ["type=bind,source=/etc,target=/etc-of-the-vm"] },
  { initializeCommand: "touch /tmp/gs-raise-was-here", containerEnv: { LABELLED: "yes" }, remoteUser: "node" },
];

async function hostileImage(repository: Repository): Promise<string> {
  const image = `${repository.name}-hostile`;
  repository.write({
    "image/Dockerfile": `FROM ${NODE_IMAGE}\nLABEL devcontainer.metadata='${JSON.stringify(HOSTILE)}'\n`,
  });
  await repository.engine.ask(["build", "--tag", image, join(repository.folder, "image")], AbortSignal.timeout(30_000));
  repository.images.push(image);
  return image;
}

async function rightsOf(repository: Repository, id: string): Promise<string> {
  const format = "{{.HostConfig.Privileged}} {{len .HostConfig.CapAdd}} {{range .Mounts}}{{.Destination}} {{end}}";
  return (await repository.engine.ask(["inspect", "--format", format, id], AbortSignal.timeout(10_000))).trim();
}

test("an image's label gets no rights by itself, neither alone nor in a Compose file; what is harmless in it counts", async () => {
  await using repository = await Repository.open({});
  const image = await hostileImage(repository);
  repository.write({ [ONE]: { image } });
  const alone = await repository.raise();
  expect(alone).toMatchObject({ recovery: null, user: { name: "node" }, env: { LABELLED: "yes" } });
  expect(await rightsOf(repository, alone.id)).toMatch(
    new RegExp(`^false 0 (?:/home/node /workspaces/${repository.name}|/workspaces/${repository.name} /home/node)$`),
  );
  expect(alone.notApplied).toHaveLength(3);
  await repository.engine.ask(["stop", "--time", "0", alone.id], AbortSignal.timeout(20_000));

  repository.write({
    [ONE]: { dockerComposeFile: "c.yml", service: "app", workspaceFolder: "/w" },
    ".devcontainer/c.yml": `version: "3.8"\nservices: { app: { image: ${image}, command: sleep infinity, volumes: ["..:/w"] } }\n`,
  });
  const composed = await repository.raise();
  expect(composed).toMatchObject({ recovery: null, user: { name: "node" } });
  expect(await rightsOf(repository, composed.id)).toMatch(/^false 0 (?:\/home\/node \/w|\/w \/home\/node)$/);
  expect(composed.notApplied.length).toBeGreaterThan(0);
  expect(existsSync("/tmp/gs-raise-was-here")).toBe(false);
}, 60_000);

test("a folder that became a link while the container ran is not followed when it starts again", async () => {
  await using repository = await Repository.open({
    [ONE]: { image: NODE_IMAGE, mounts: ["type=bind,source=${localWorkspaceFolder}/sub,target=/sub"] },
    "sub/file": "mine",
  });
  const container = await repository.raise();
  expect(await repository.inside(container, "cat /sub/file")).toBe("mine");
  await repository.inside(container, `cd /workspaces/${repository.name} && rm -r sub && ln -s /etc sub`);
  await repository.engine.ask(["stop", "--time", "0", container.id], AbortSignal.timeout(20_000));
  const again = await repository.raise();
  expect(await repository.inside(again, "ls /sub 2>&1 || true")).toMatch(/No such file/);
  expect(again.notApplied).toEqual([expect.stringContaining("only the workspace is mounted")]);
}, 60_000);

test("a private registry is asked with what was lent, which nobody sees and nothing keeps", async () => {
  const asked: (string | undefined)[] = [];
  const registry = createServer((request, response) => {
    asked.push(request.headers.authorization);
    response
      .writeHead(request.headers.authorization === undefined ? 401 : 404, { "www-authenticate": 'Basic realm="r"' })
      .end();
  }).listen(0, "127.0.0.1");
  await once(registry, "listening");
  const host = `localhost:${(registry.address() as AddressInfo).port}`;
  try {
    await using repository = await Repository.open({ [ONE]: { image: `${host}/team/private:1` } });
    const registries = [{ host, username: "ada", password: "very-private" }];
    const container = await repository.raise({ secrets: { git: [], registries } });
    expect(container.recovery?.because).toContain(`${host}/team/private:1`);
    const basic = Buffer.from("ada:very-private").toString("base64");
    expect(asked).toContain(`Basic ${basic}`);
    for (const secret of ["very-private", basic]) expect(JSON.stringify(repository.events)).not.toContain(secret);
    expect(readdirSync(join(repository.root, "run"))).toEqual([]);
    expect(statSync(join(repository.root, "state")).mode & 0o077).toBe(0);
  } finally {
    registry.close();
  }
}, 60_000);

test("an agent killed in the middle of a build leaves work behind; the next start ends it and goes on", async () => {
  await using repository = await Repository.open({
    [ONE]: { build: { dockerfile: "Dockerfile" }, postCreateCommand: "touch ran" },
    ".devcontainer/Dockerfile": `FROM ${NODE_IMAGE}\nRUN sleep 4\n`,
  });
  const script = join(import.meta.dirname, "../testing/raising-process.ts");
  const agent = spawn(process.execPath, [script, repository.root], { stdio: "ignore" });
  const builds = () => markedProcesses(`${RAISING}=${repository.folder}`).filter(({ args }) => args.includes("build"));
  await expect.poll(builds, { timeout: 15_000 }).not.toEqual([]);
  agent.kill("SIGKILL");
  await once(agent, "exit");
  const orphans = builds();
  expect(orphans).not.toEqual([]);
  const container = await repository.raise();
  expect(container.recovery).toBeNull();
  const left = builds().map(({ pid }) => pid);
  expect(orphans.filter(({ pid }) => left.includes(pid))).toEqual([]);
  expect(await repository.inside(container, `ls /workspaces/${repository.name}`)).toBe("README.md\nran");
}, 60_000);
