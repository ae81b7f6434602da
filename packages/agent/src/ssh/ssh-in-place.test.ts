// SSH into a Gitspace without a container: the real client, a real sshd, and the agent's port between them.
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentVm, openSite, SAMPLE, type Site, startVm } from "../testing/agent-process.ts";
import { type GitServer, makeRepository, startGitServer } from "../testing/git-server.ts";
import { makeSshKey, type Said, type SshKey, sshOptions, tell } from "../testing/ssh-client.ts";

let site: Site;
let git: GitServer;
let vm: AgentVm;
let relay: Server;
let key: SshKey;
/** The keys that the relay, which stands for the gateway, names. */
let named: string[] = [];
const user = userInfo().username;

beforeAll(async () => {
  site = await openSite();
  makeRepository(site.folder, "sample", SAMPLE);
  git = await startGitServer(site.folder);
  key = makeSshKey(site.folder, "key");
  named = [key.publicKey];
  vm = await startVm(site);
  await vm.claim();
  const gateway = await vm.as("gateway");
  const repository = { url: `${git.origin}/sample.git` };
  const author = { name: "Ada", email: "ada@example.com" };
  const data = { repository, ide: "vs_code_web" as const, author, secrets: null };
  const { answer } = await gateway.perform(await site.controlPlane.task("gitspace.start", data));
  if (answer.outcome !== "ok") throw new Error(JSON.stringify(answer));
  relay = createServer({ allowHalfOpen: true }, (client) => {
    void gateway.connect("localhost:8022", headersOf(named)).then(({ socket }) => {
      socket.on("error", () => client.destroy());
      client.on("error", () => socket.destroy());
      client.pipe(socket).pipe(client);
    });
  }).listen(0, "127.0.0.1");
  await once(relay, "listening");
});
afterAll(async () => {
  relay.close();
  await vm[Symbol.asyncDispose]();
  await git[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

const headersOf = (keys: readonly string[]) => ({
  "gitspaces-ssh-keys": Buffer.from(keys.join("\n")).toString("base64"),
});
const port = () => String((relay.address() as AddressInfo).port);

async function ssh(args: readonly string[], input?: string, as: SshKey = key): Promise<Said> {
  return await tell("ssh", [...sshOptions(as), "-p", port(), `${user}@127.0.0.1`, ...args], input);
}

test("a command runs as the person in the workspace, with the workplace's environment, and its exit status comes back", async () => {
  const said = await ssh(["echo $GITSPACE_VM; pwd; id -un; cat; exit 7"], "typed");
  expect(said).toMatchObject({ code: 7, out: `${vm.instanceId}\n${join(vm.home, "sample")}\n${user}\ntyped` });
});

test("a shell without a command is a login shell, with a terminal where one is asked for", async () => {
  const said = await ssh(["-tt"], "shopt -q login_shell && echo login=yes; tty; exit 3\n");
  expect(said.code).toBe(3);
  expect(said.out).toMatch(/login=yes\r\n/);
  expect(said.out).toMatch(/\/dev\/pts\/\d/);
});

test("scp, sftp and rsync copy both ways, relative to the workspace", async () => {
  const file = join(site.folder, "sent");
  writeFileSync(file, Buffer.alloc(300_000, "x"));
  const options = [...sshOptions(key), "-P", port()];
  expect(await tell("scp", [...options, file, `${user}@127.0.0.1:by-scp`])).toMatchObject({ code: 0, err: "" });
  expect(await tell("scp", ["-O", ...options, `${user}@127.0.0.1:by-scp`, `${file}.back`])).toMatchObject({ code: 0 });
  expect(readFileSync(`${file}.back`).equals(readFileSync(file))).toBe(true);
  const sftp = await tell("sftp", [...options, "-b", "-", `${user}@127.0.0.1`], `pwd\nput ${file} by-sftp\n`);
  expect(sftp).toMatchObject({ code: 0 });
  expect(sftp.out).toContain(`working directory: ${join(vm.home, "sample")}`);
  const shell = ["ssh", ...sshOptions(key), "-p", port()].join(" ");
  expect(await tell("rsync", ["-e", shell, file, `${user}@127.0.0.1:by-rsync`])).toMatchObject({ code: 0 });
  for (const name of ["by-scp", "by-sftp", "by-rsync"])
    expect(readFileSync(join(vm.home, "sample", name)).length).toBe(300_000);
});

test("a key that the gateway did not name opens nothing", async () => {
  const other = makeSshKey(site.folder, "other");
  expect(await ssh(["true"], "", other)).toMatchObject({
    code: 255,
    err: expect.stringContaining("Permission denied"),
  });
});

test("whoever comes as another user is told the name", async () => {
  const said = await tell("ssh", [
    ...sshOptions(key, { LogLevel: "INFO" }),
    "-p",
    port(),
    "nobody-here@127.0.0.1",
    "true",
  ]);
  expect(said.code).toBe(255);
  expect(said.err).toContain(`The user of this Gitspace is ${user}`);
});

test("the host key is told with the connection, is the one that is met, and stays on the home disk", async () => {
  const gateway = await vm.as("gateway");
  const { status, headers, socket } = await gateway.connect("localhost:8022", headersOf(named));
  socket.destroy();
  expect([status, headers["gitspaces-ssh-user"]]).toEqual([200, user]);
  const scanned = await tell("ssh-keyscan", ["-t", "ed25519", "-p", port(), "127.0.0.1"]);
  expect(scanned.out).toContain(String(headers["gitspaces-ssh-host-key"]));
  expect(existsSync(join(vm.home, ".gitspaces/ssh/host_ed25519"))).toBe(true);
});

test("without keys, or with lines that sshd would read as options, there is no connection", async () => {
  const gateway = await vm.as("gateway");
  const tried = async (headers: Record<string, string>) => {
    const { status, socket, body } = await gateway.connect("localhost:8022", headers);
    return [status, (JSON.parse(body + (await text(socket))) as { code: string }).code];
  };
  expect(await tried({})).toEqual([403, "denied"]);
  expect(await tried(headersOf([`command="id" ${key.publicKey}`]))).toEqual([400, "bad_request"]);
  expect(await tried(headersOf([]))).toEqual([400, "bad_request"]);
});

test("a stop ends sessions, and no connection is there afterwards", async () => {
  const session = ssh(["echo begun; sleep 60"]);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const gateway = await vm.as("gateway");
  const { answer } = await gateway.perform(await site.controlPlane.task("gitspace.stop", {}));
  expect(answer.outcome).toBe("ok");
  expect((await session).code).toBe(255);
  const { status, socket } = await gateway.connect("localhost:8022", headersOf(named));
  socket.destroy();
  expect(status).toBe(502);
});
