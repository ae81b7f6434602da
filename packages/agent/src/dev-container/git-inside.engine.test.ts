// git in a real container, by way of the inner door, against a real server: what the person does there, and what nobody can.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { tmpdir } from "node:os";
import type { Secrets } from "@gitspaces/contracts";
import { createLog, systemClock } from "@gitspaces/daemon";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SAMPLE } from "../testing/agent-process.ts";
import { answerGit } from "../git-door.ts";
import { openGitBroker } from "../git-broker.ts";
import { GIT_PASSWORD, GIT_USER, type GitServer, makeRepository, startGitServer } from "../testing/git-server.ts";
import { gitImage } from "../testing/git-image.ts";
import { type TestInside, testInside } from "../testing/inside-folder.ts";
import { type TestContainer, testContainer } from "../testing/test-container.ts";
import { Work } from "../work.ts";
import { askAbout } from "./asking-git.ts";
import { prepareGitInside } from "./git-inside.ts";
import { runInside } from "./in-container.ts";
import { openInnerDoor } from "./inner-door.ts";
import { INSIDE } from "./inside-folder.ts";

let site: string;
let server: GitServer;
let vm: TestInside;
let box: TestContainer;
let secrets: Secrets;
const opened = new AsyncDisposableStack();
const log = createLog("agent", "silent");
const signal = () => AbortSignal.timeout(20_000);

beforeAll(async () => {
  site = mkdtempSync(join(tmpdir(), "git-inside-"));
  opened.defer(() => rmSync(site, { recursive: true, force: true }));
  makeRepository(site, "sample", SAMPLE);
  server = opened.use(await startGitServer(site));
  const image = await gitImage();
  vm = opened.use(await testInside());
  box = opened.use(await testContainer([...vm.options, "--network=host"], { image }));
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(site, "key")]);
  secrets = {
    git: [{ host: server.host, username: GIT_USER, password: GIT_PASSWORD }],
    signing: { format: "ssh", key: readFileSync(join(site, "key"), "utf8") },
  };
  const repository = `${server.origin}/private/sample.git`;
  const broker = openGitBroker({ given: async () => await Promise.resolve({ secrets, repository }), log });
  const answers = {
    ports: () => [],
    env: () => ({}),
    git: async (path: string, body: Buffer) => await answerGit(broker, path, body),
  };
  const door = opened.use(await openInnerDoor({ inside: vm.inside, answers, log }));
  door.giveTo(box.container.user);
  await prepareGitInside(startWork(repository), secrets, {
    engine: box.engine,
    container: box.container,
    folder: { here: join(vm.inside.tools, "git"), inside: "/opt/gitspaces/git" },
    door: INSIDE.door,
    node: INSIDE.node,
  });
}, 240_000);
afterAll(async () => await opened.disposeAsync());

function startWork(url: string): Work {
  const author = { name: "Ada Lovelace", email: "ada@example.com" };
  const data = { repository: { url }, ide: "vs_code_web" as const, author, secrets: null };
  const head = {
    v: 1 as const,
    id: crypto.randomUUID(),
    gitspaceId: "hello-k3v9x2",
    generation: 1,
    deadline: Date.now() + 60_000,
  };
  const task = { ...head, type: "gitspace.start" as const, data, signature: "" };
  return new Work({ task, receivedAt: 0 }, { lastSeq: () => 0, append: () => {} }, systemClock);
}

const sh = async (script: string, user = "node") =>
  await runInside(box.engine, box.container, {
    args: ["sh", "-c", script],
    user,
    env: { GIT_TERMINAL_PROMPT: "0" },
    signal: signal(),
  });

test("in the dev container a private repository is cloned, a commit signed and pushed, and nobody is asked for anything", async () => {
  const script = `cd && git clone -q ${server.origin}/private/sample.git && cd sample &&
    git commit -q --allow-empty -m inside && git push -q origin HEAD:refs/heads/inside && git log -1 --format='%an %ae %s'`;
  expect(await sh(script)).toEqual({ code: 0, output: ["Ada Lovelace ada@example.com inside"] });
  const shown = execFileSync("git", ["-C", join(site, "served/sample.git"), "cat-file", "-p", "inside"]).toString();
  expect(shown).toContain("-----BEGIN SSH SIGNATURE-----");
});

test("neither password nor key is anywhere that a program inside can read, root's included", async () => {
  const places = "/home /root /etc /run /tmp /opt/gitspaces/git /proc/[0-9]*/environ";
  const search = async (text: string) => {
    const hidden = Buffer.from(text).toString("base64");
    return await sh(`grep -rlF "$(echo '${hidden}' | base64 -d)" ${places} 2>/dev/null`, "root");
  };
  expect((await search("git-credential-gitspaces")).output).toContain("/opt/gitspaces/git/gitconfig");
  const middle = secrets.signing?.key.split("\n")[2] ?? "";
  expect(middle.length).toBeGreaterThan(20);
  for (const secret of [GIT_PASSWORD, encodeURIComponent(GIT_PASSWORD), middle])
    expect((await search(secret)).output).toEqual([]);
});

test("another user of the container cannot open the door, and what stands behind it cannot be rewritten by root inside", async () => {
  const asked = await sh(`printf 'protocol=http\\nhost=${server.host}\\n\\n' | git credential fill`, "nobody");
  expect(asked.output.join("\n")).not.toContain("password=");
  const written = await sh("echo evil >/opt/gitspaces/git/git-credential-gitspaces", "root");
  expect(written.output.join("\n")).toContain("Read-only file system");
});

test("what the repository's configuration names runs in nobody's hands when its changes are asked about", async () => {
  const hostile = `cd ~/sample && printf '#!/bin/sh\\nid -u >>/tmp/ran; cat' >/tmp/evil && chmod +x /tmp/evil &&
    for key in core.fsmonitor filter.evil.clean diff.evil.command gpg.program core.sshCommand alias.status; do git config $key /tmp/evil; done &&
    git config log.showSignature true && echo '* filter=evil diff=evil' >.git/info/attributes && touch -d 2001-01-01 README.md`;
  expect(await sh(hostile)).toMatchObject({ code: 0 });
  const container = { ...box.container, workspaceFolder: "/home/node/sample" };
  const folder = join(site, "work/sample");
  const asked = { engine: box.engine, folder, defaultImage: "none", env: { PATH: process.env["PATH"] ?? "" } };
  expect(await askAbout({ ...asked, container })).toBe(false);
  expect((await sh("cat /tmp/ran")).code).not.toBe(0);
  await sh("cd ~/sample && git status");
  expect((await sh("cat /tmp/ran")).code).toBe(0);
  await sh("cd ~/sample && echo more >new");
  expect(await askAbout({ ...asked, container })).toBe(true);
});
