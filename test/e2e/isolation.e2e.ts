// What code in one Gitspace can reach: itself and the world, not the host's services, not its neighbour, not our secrets.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, inject, test } from "vitest";
import { apiClient } from "./api.ts";
import { commitFiles } from "./git-server.ts";
import { connectAgent, routeOf } from "./route.ts";

const system = inject("system");
const git = inject("git");
const api = apiClient(system.ready.ui, system.adminToken);
const data = system.up.data;

/** A program in Python, which every image of ours has: tells for each target whether it could be reached. */
const probe = `
import json, socket, sys
for name, kind, target in json.load(open(".probe.json")):
    try:
        if kind == "tcp":
            socket.create_connection(tuple(target), timeout=2).close()
        else:
            open(target).read()
        print("PROBE", name, "reached", flush=True)
    except Exception as error:
        print("PROBE", name, "refused", type(error).__name__, flush=True)
`;

type Target = [name: string, kind: "tcp" | "file", target: [string, number] | string];

async function probeFrom(name: string, targets: Target[]): Promise<Record<string, string>> {
  const path = commitFiles(git.root, name, {
    ".devcontainer/devcontainer.json": JSON.stringify({ postCreateCommand: ["python3", "probe.py"] }),
    "probe.py": probe,
    ".probe.json": JSON.stringify(targets),
  });
  const { identifier } = await api.create(`${git.url}${path}`, { name });
  const lines = (await api.log(identifier)).map((line) => line.out);
  const seen = lines.flatMap((line) => [...line.matchAll(/PROBE (\S+) (reached|refused)/g)]);
  return Object.fromEntries(seen.map((match) => [match[1], match[2]]));
}

test("from inside a Gitspace only the world outside is reached", async () => {
  const neighbour = await api.create(`${git.url}${commitFiles(git.root, "neighbour", { "secret.txt": "B\n" })}`, {
    name: "neighbour",
  });
  const route = await routeOf(system, neighbour.identifier);
  const host = system.up.host_address;
  const gitUrl = new URL(git.url);
  const base = system.portBase;
  const seen = await probeFrom("probing", [
    ["git-server", "tcp", [gitUrl.hostname, Number(gitUrl.port)]],
    ["own-file", "file", "probe.py"],
    ["neighbours-agent", "tcp", [route.address, route.port]],
    ["neighbours-ide", "tcp", [route.address, 8089]],
    ["neighbours-home", "file", join(data, "vms", route.instanceId, "home", "dev", "neighbour", "secret.txt")],
    ["redis", "tcp", [host, base + 5]],
    ["redis-loopback", "tcp", ["127.0.0.1", base + 5]],
    ["control-plane", "tcp", [host, base]],
    ["control-plane-admin", "tcp", [host, base + 10]],
    ["control-plane-admin-loopback", "tcp", ["127.0.0.1", base + 10]],
    ["metadata", "tcp", ["169.254.169.254", 80]],
    ["delegates-file", "file", join(data, "delegate.db")],
    ["admin-token", "file", system.up.admin_token_file],
    ["ca-key", "file", join(data, "ca", "ca.key.pem")],
  ]);
  expect(seen).toEqual({
    "git-server": "reached",
    "own-file": "reached",
    "neighbours-agent": "refused",
    "neighbours-ide": "refused",
    "neighbours-home": "refused",
    redis: "refused",
    "redis-loopback": "refused",
    "control-plane": "refused",
    "control-plane-admin": "refused",
    "control-plane-admin-loopback": "refused",
    metadata: "refused",
    "delegates-file": "refused",
    "admin-token": "refused",
    "ca-key": "refused",
  });
});

test("a server on 127.0.0.1:3000 in each of two Gitspaces: each host name shows its own", async () => {
  const serve = (name: string) =>
    commitFiles(git.root, `serve-${name}`, {
      ".devcontainer/devcontainer.json": JSON.stringify({
        postStartCommand: "nohup python3 -m http.server 3000 --bind 127.0.0.1 >/dev/null 2>&1 &",
      }),
      "who.txt": `I am ${name}\n`,
    });
  const [a, b] = await Promise.all(["first", "second"].map((name) => api.create(`${git.url}${serve(name)}`, { name })));
  const { portPage } = await import("./session.ts");
  await expect
    .poll(() => portPage(system, api, a?.identifier ?? "", 3000, "/who.txt"), { timeout: 20_000 })
    .toBe("I am first\n");
  await expect
    .poll(() => portPage(system, api, b?.identifier ?? "", 3000, "/who.txt"), { timeout: 20_000 })
    .toBe("I am second\n");
});

test("a stolen gateway certificate can not make a task, re-address one or replay one", async () => {
  const path = commitFiles(git.root, "target", { "README.md": "# Target\n" });
  const victim = await api.create(`${git.url}${path}`, { name: "victim" });
  const agent = await connectAgent(system, victim.identifier);
  const unsigned = {
    v: 1,
    id: "019c0000-0000-7000-8000-000000000001",
    type: "gitspace.remove",
    gitspaceId: victim.identifier,
    generation: 99,
    deadline: Date.now() + 60_000,
    data: { deleteData: true },
    signature: "e30.e30.e30",
  };
  expect(await agent.postTask(unsigned)).toMatchObject({ status: 403, code: "denied" });

  const another = await api.create(`${git.url}${path}`, { name: "another" });
  const signed = agent.signedTaskOf(another.identifier);
  expect(await agent.postTask(signed)).toMatchObject({ status: 403, code: "denied" });
  expect(await agent.postTask({ ...signed, gitspaceId: victim.identifier })).toMatchObject({
    status: 403,
    code: "denied",
  });

  expect(await agent.putIdentity(victim.identifier)).toMatchObject({ status: 403, code: "denied" });
  expect((await api.call<{ state: string }>("GET", `gitspaces/${victim.identifier}`)).state).toBe("running");
  expect(readFileSync(join(data, "up.json"), "utf8")).not.toContain(system.adminToken);
});
