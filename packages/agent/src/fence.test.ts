// Who may do what: roles of certificates, the one identity, tasks that nobody between may make or change.
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import type { GitspaceTask } from "@gitspaces/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSite, type Site, startVm } from "./testing/agent-process.ts";
import { GITSPACE, makeControlPlane } from "./testing/control-plane.ts";

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

const identity = { gitspaceId: GITSPACE, generation: 1, taskId: randomUUID(), homeDisk: GITSPACE };

test("each role may do its own things and nothing else", async () => {
  await using vm = await startVm(site);
  const asked = async (role: "runner" | "gateway" | "delegate" | "vm", installation?: string) => {
    const caller = await vm.as(role, installation);
    const tunnel = await caller.connect("localhost:8089");
    tunnel.socket.destroy();
    return {
      status: (await caller.call("GET", "/status")).status,
      identity: (await caller.call("PUT", "/identity", {})).status,
      task: (await caller.call("POST", "/tasks", {})).status,
      events: (await caller.call("GET", `/tasks/${randomUUID()}/events`)).status,
      unknown: (await caller.call("GET", "/secrets")).status,
      connect: tunnel.status,
    };
  };
  await expect.poll(async () => (await (await vm.as("runner")).call("GET", "/status")).body["ide"]).toBe("ready");
  const nothing = { status: 403, identity: 403, task: 403, events: 403, unknown: 403, connect: 403 };
  expect(await asked("runner")).toEqual({ ...nothing, status: 200, identity: 400, unknown: 404 });
  expect(await asked("gateway")).toEqual({
    ...nothing,
    status: 200,
    task: 400,
    events: 404,
    unknown: 404,
    connect: 200,
  });
  expect(await asked("delegate")).toEqual(nothing);
  expect(await asked("vm")).toEqual(nothing);
  expect(await asked("gateway", "other-01")).toEqual(nothing);
});

test("a caller without a certificate is not heard", async () => {
  await using vm = await startVm(site);
  const socket = connect({ port: vm.port, host: "127.0.0.1", rejectUnauthorized: false });
  const heard = await new Promise<string>((resolve) => {
    let text = "";
    socket.on("secureConnect", () => socket.write("GET /status HTTP/1.1\r\nhost: agent\r\n\r\n"));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
  });
  expect(heard).toBe("");
});

test("a request for no path at all is refused like one for a path that is not there", async () => {
  await using vm = await startVm(site);
  expect((await (await vm.as("runner")).call("GET", "//")).status).toBe(404);
});

test("a VM takes one identity in its life and remembers it", async () => {
  await using vm = await startVm(site);
  const put = async (body: unknown) => await (await vm.as("runner")).call("PUT", "/identity", body);
  const first = await put(identity);
  expect(first.status).toBe(200);
  expect(await put(identity)).toEqual(first);
  expect((await put({ ...identity, gitspaceId: "other-k3v9x2", homeDisk: "other-k3v9x2" })).body["code"]).toBe(
    "conflict",
  );
  await vm.end("SIGKILL");
  await vm.start();
  expect((await (await vm.as("gateway")).call("GET", "/status")).body).toMatchObject({ identity, generation: 1 });
  expect((await put({ ...identity, gitspaceId: "other-k3v9x2" })).body["code"]).toBe("conflict");
  expect(await put({ ...identity, generation: 4 })).toEqual(first);
  expect((await put({ ...identity, generation: 3 })).body["code"]).toBe("superseded");
});

test("a task before any identity is put off", async () => {
  await using vm = await startVm(site);
  const reply = await (await vm.as("gateway")).call(
    "POST",
    "/tasks",
    await site.controlPlane.task("gitspace.status", {}),
  );
  expect(reply.body).toMatchObject({ code: "conflict", retry: "later" });
});

test("a task that the control plane did not make for this Gitspace is refused", async () => {
  await using vm = await startVm(site);
  await vm.claim(3);
  const gateway = await vm.as("gateway");
  const control = site.controlPlane;
  const task = async (making?: Parameters<typeof control.task>[2]) =>
    await control.task("gitspace.stop", {}, { generation: 3, ...making });
  const refused = async (body: unknown) => (await gateway.call("POST", "/tasks", body)).body["code"];

  const { signature: _, ...unsigned } = (await task()) as GitspaceTask & { type: "gitspace.stop" };
  expect(await refused(unsigned)).toBe("bad_request");
  expect(await refused({ ...unsigned, signature: "a.b.c" })).toBe("denied");
  expect(await refused({ ...(await task()), gitspaceId: "other-k3v9x2" })).toBe("denied");
  expect(await refused({ ...(await task()), generation: 4 })).toBe("denied");
  expect(await refused({ ...(await task()), deadline: Date.now() + 1_000_000 })).toBe("denied");
  expect(await refused({ ...(await task()), type: "gitspace.remove", data: { deleteData: true } })).toBe("denied");
  const stranger = await makeControlPlane();
  expect(await refused(await stranger.task("gitspace.stop", {}, { generation: 3 }))).toBe("denied");
  expect(await refused(await task({ gitspaceId: "other-k3v9x2" }))).toBe("denied");
  expect(await refused(await task({ generation: 2 }))).toBe("superseded");
  expect(await refused(await task({ deadlineMs: -1 }))).toBe("expired");
  expect(vm.log.filter((line) => line["alarm"] === true)).toHaveLength(1);
  expect((await gateway.call("GET", "/status")).body["ide"]).not.toBe("failed");
});

test("the same task again is the same journal; its id with another body raises an alarm", async () => {
  await using vm = await startVm(site);
  await vm.claim();
  const gateway = await vm.as("gateway");
  const task = await site.controlPlane.task("gitspace.status", {});
  const first = await gateway.perform(task);
  const again = await gateway.perform(task);
  expect(again).toEqual(first);
  const other = await site.controlPlane.task("gitspace.stop", {}, { id: task.id });
  expect((await gateway.call("POST", "/tasks", other)).body).toMatchObject({ code: "conflict", retry: "never" });
  await expect.poll(() => vm.log.filter((line) => line["alarm"] === true)).toHaveLength(1);

  await vm.end("SIGKILL");
  await vm.start();
  expect(await (await vm.as("gateway")).perform(task)).toEqual(first);
});

test("events are given from any number on, and every one of them once", async () => {
  await using vm = await startVm(site);
  await vm.claim();
  const gateway = await vm.as("gateway");
  const task = await site.controlPlane.task("gitspace.stop", {});
  const { events } = await gateway.perform(task);
  expect(events.map(({ kind }) => kind)).toEqual(["agent_gitspace_stop_start", "agent_gitspace_stop_completed"]);
  expect((await gateway.follow(task.id, 1)).events).toEqual(events.slice(1));
  expect((await gateway.follow(task.id, 99)).events).toEqual([]);
});

const data = { ide: "vs_code_web", author: { name: "Ada", email: "" }, secrets: null } as const;
const canary = "canary-was-here";

test.each([
  { url: `ext::sh -c touch% ${canary}` },
  { url: "file:///etc" },
  { url: "git://example.com/x.git" },
  { url: "ssh://git@example.com/x.git" },
  { url: "-uhttps://example.com/x.git" },
  { url: "https://user:password@example.com/x.git" },
  { url: "https://-oProxyCommand=touch/x.git" },
  { url: `https://example.com/x.git\n--upload-pack=touch ${canary}` },
  { url: `https://example.com\\x.git` },
  { url: "https://127.0.0.1:1/x.git", branch: `--upload-pack=touch ${canary}` },
  { url: "https://127.0.0.1:1/x.git", branch: `-c` },
  { url: "https://127.0.0.1:1/x.git", branch: "a..b" },
  { url: "https://127.0.0.1:1/x.git", branch: `$(touch\t${canary})` },
])("a hostile repository or branch is refused before git sees it: $url $branch", async (repository) => {
  const vm = hostile.vm;
  const task = await site.controlPlane.task("gitspace.start", { ...data, repository });
  expect((await vm.gateway.call("POST", "/tasks", task)).body["code"]).toBe("bad_request");
  expect(existsSync(join("/", canary))).toBe(false);
});

test.each([
  { url: `https://127.0.0.1:1/$(touch%20${canary}).git`, branch: "$(touch${IFS}/canary-was-here)" },
  { url: "https://127.0.0.1:1/..%2f..%2fetc.git" },
  { url: "https://127.0.0.1:1/;touch;.git" },
  { url: "http://127.0.0.1:1/`touch`.git", branch: "`touch`" },
])("an odd repository reaches git as one argument and nothing runs: $url", async (repository) => {
  const vm = hostile.vm;
  const task = await site.controlPlane.task("gitspace.start", { ...data, repository });
  const { answer } = await vm.gateway.perform(task);
  expect(answer).toMatchObject({ outcome: "failed", failure: { code: "repository_unreachable" } });
  expect(existsSync(join("/", canary))).toBe(false);
});

type Hostile = { gateway: Awaited<ReturnType<Awaited<ReturnType<typeof startVm>>["as"]>> };
const hostile = { vm: undefined as unknown as Hostile };
beforeAll(async () => {
  const vm = await startVm(site);
  await vm.claim();
  hostile.vm = { gateway: await vm.as("gateway") };
  return async () => await vm[Symbol.asyncDispose]();
});
