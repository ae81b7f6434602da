// The command as people and scripts meet it: a real process against a real server.
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Gitspace, PersonalToken, SignInLink, User } from "@gitspaces/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type CliHome, launcher, makeHome, type Ran, startCli } from "./testing/cli-process.ts";
import { type StandIn, startStandIn, TOKEN } from "./testing/stand-in.ts";

const repository = "https://example.com/ada/hello.git";
let server: StandIn;
let home: CliHome;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  server = await startStandIn();
  home = makeHome();
  env = { GITSPACES_URL: server.url, GITSPACES_TOKEN_FILE: home.tokenFile };
});
afterAll(async () => {
  home[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

const run = (...args: string[]): Promise<Ran> => startCli(home, args, { env }).ended;
const made = (name: string, url = repository): string => server.create({ name, code_repo_url: url }).identifier;

async function until(claim: () => boolean): Promise<void> {
  for (const giveUp = Date.now() + 10_000; !claim(); await new Promise((resolve) => setTimeout(resolve, 5))) {
    if (Date.now() > giveUp) throw new Error(`not within 10 s: ${claim.toString()}`);
  }
}

async function running(name: string): Promise<string> {
  const id = made(name);
  server.act(id, "start");
  await until(() => server.find(id).gitspace.state === "running");
  return id;
}

test("create --wait --json shows the timeline on stderr and prints the running Gitspace as one document", async () => {
  const { code, out, err } = await run(
    "create",
    repository,
    "--branch",
    "main",
    "--name",
    "wait here",
    "--pool",
    "big",
    "--wait",
    "--json",
  );
  expect(code).toBe(0);
  const gitspace = Gitspace.parse(JSON.parse(out));
  expect(gitspace).toMatchObject({ state: "running", name: "wait here", branch: "main", resource_identifier: "big" });
  expect(err).toMatch(/\d\.\ds {2}✓ The repository is cloned {2}\(\d+ ms\)/);
  expect(err).toMatch(/! features of devcontainer.json are not applied/);
  expect(err).toMatch(/✓ Running/);
  expect(err).not.toContain("Receiving objects");
  expect(err).not.toContain("\u001b");
});

test("create without --wait starts the Gitspace all the same and says so", async () => {
  const { code, out, err } = await run("create", repository, "--name", "swift");
  expect({ code, err }).toMatchObject({ code: 0, err: expect.stringContaining("It is starting.") });
  const [, id = ""] = /^Id +(\S+)$/m.exec(out) ?? [];
  expect(server.requests).toContainEqual(
    expect.objectContaining({ path: `gitspaces/${id}/actions`, body: { action: "start" } }),
  );
  expect(out).toMatch(/^State +starting$/m);
});

test("of several dev containers the one that is named is asked for, and of the history as much", async () => {
  await run("create", repository, "--name", "mono", "--devcontainer", "services/api/devcontainer.json", "--depth", "5");
  expect(server.requests.findLast(({ path, method }) => path === "gitspaces" && method === "POST")?.body).toMatchObject(
    { devcontainer_path: "services/api/devcontainer.json", clone_depth: 5 },
  );
});

test("the git token comes from a file and is sent, not shown", async () => {
  const file = join(home.folder, "git-token");
  writeFileSync(file, "ghp_secret\n");
  const { out, err } = await run(
    "create",
    repository,
    "--name",
    "closed",
    "--git-token-file",
    file,
    "--git-user",
    "bot",
  );
  expect(server.requests.findLast(({ path, method }) => path === "gitspaces" && method === "POST")?.body).toMatchObject(
    {
      code_repo_token: "ghp_secret",
      code_repo_user: "bot",
    },
  );
  expect(out + err).not.toContain("ghp_secret");
});

test("a start that fails shows the cross, exits 1 and gives failure and Gitspace as one document", async () => {
  const { code, out, err } = await run("create", "https://example.com/ada/missing", "--wait", "--json");
  expect(code).toBe(1);
  const said = JSON.parse(out);
  expect(said.failure).toMatchObject({
    code: "repository_unreachable",
    message: expect.stringContaining("Check its address"),
  });
  expect(Gitspace.parse(said.gitspace).state).toBe("error");
  expect(err).toMatch(/✗ The repository was not found\. Check its address\. {2}\(/);
  expect(err).not.toContain("✓ Running");
});

test("a wait goes on behind the last event it saw when its stream breaks, and tells nothing twice", async () => {
  const id = made("broken", "https://example.com/ada/holding");
  const { ended } = startCli(home, ["start", id, "--wait"], { env });
  await until(() => server.listening() === 1);
  server.take(id, { event: "gitspace_action_start", message: "Starting" });
  server.take(id, { event: "agent_clone_start", message: "Cloning" });
  await until(() => server.requests.filter(({ path }) => path === `gitspaces/${id}`).length >= 2);
  const seen = server.find(id).events.at(-1)?.id;
  await new Promise((resolve) => setTimeout(resolve, 100));
  server.breakStreams();
  server.take(id, { event: "agent_clone_completed", message: "Cloned while nobody listened" });
  await until(() => server.listening() === 1);
  server.take(id, { state: "running" });
  const { code, err } = await ended;
  expect(code).toBe(0);
  const streams = server.requests.filter(({ path }) => path === `gitspaces/${id}/events/stream`);
  expect(streams.map(({ lastEventId }) => lastEventId)).toEqual(["0", String(seen)]);
  expect(err).toContain("connection lost");
  for (const message of ["· Starting", "· Cloning", "✓ Cloned while nobody listened"])
    expect(err.split(message)).toHaveLength(2);
});

test("a control plane that is away for a moment is told of once, and the wait goes on", async () => {
  const id = made("away", "https://example.com/ada/holding");
  const { ended } = startCli(home, ["start", id, "--wait"], { env });
  await until(() => server.listening() === 1);
  // What is read beside the stream is lost as well, and so is the next try.
  server.drop(`gitspaces/${id}`, `gitspaces/${id}/events/stream`);
  server.breakStreams();
  await until(() => server.requests.filter(({ path }) => path.endsWith(`${id}/events/stream`)).length === 3);
  server.drop(`gitspaces/${id}/events`);
  server.take(id, { state: "running", event: "gitspace_action_start_completed", message: "Running" });
  const { code, err } = await ended;
  expect(code).toBe(0);
  expect(err.split("connection lost")).toHaveLength(2);
});

test("a wait that takes too long exits 5 and names the state and the next command", async () => {
  const id = made("slow", "https://example.com/ada/holding");
  const { code, out } = await run("start", id, "--wait", "--timeout", "1", "--json");
  expect(code).toBe(5);
  expect(JSON.parse(out).failure).toMatchObject({
    code: "timeout",
    message: expect.stringMatching(new RegExp(`${id} is still starting after 1 s.*gitspaces events ${id} --follow`)),
  });
});

test("Ctrl-C ends a wait with a sentence, and the Gitspace goes on", async () => {
  const id = made("patience", "https://example.com/ada/holding");
  const { ended, kill } = startCli(home, ["start", id, "--wait"], { env });
  await until(() => server.listening() === 1);
  kill("SIGINT");
  const { code, signal, err } = await ended;
  expect({ code, signal }).toEqual({ code: 1, signal: null });
  expect(err).toContain(`error: No longer waiting; ${id} is starting and goes on.`);
});

test("Ctrl-C in doctor --start deletes what was made for it, and still tells what was found", async () => {
  const { ended, kill } = startCli(home, ["doctor", "--start", "https://example.com/ada/holding"], { env });
  await until(() => server.listening() === 1);
  kill("SIGINT");
  const { out } = await ended;
  expect(out).toMatch(/WRONG {2}start +No longer waiting; doctor-/);
  const deletes = server.requests.filter(({ method }) => method === "DELETE").map(({ path }) => path);
  expect(deletes).toContainEqual(expect.stringMatching(/^gitspaces\/doctor-/));
});

test("doctor --start without a control plane tells what was found, and makes no start of it", async () => {
  const away = { ...env, GITSPACES_URL: "http://localhost:9" };
  const { code, out } = await startCli(home, ["doctor", "--start", repository, "--json"], { env: away }).ended;
  expect(code).not.toBe(0);
  const { findings } = z
    .object({ findings: z.array(z.object({ part: z.string(), state: z.string() })) })
    .parse(JSON.parse(out));
  expect(findings).toEqual([
    { part: "API", state: "wrong" },
    { part: "start", state: "wrong" },
  ]);
});

test("doctor --data means that folder's installation, whatever server the environment names", async () => {
  const asked = server.requests.length;
  const { code, err } = await startCli(home, ["doctor", "--data", home.folder], { env }).ended;
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(home.folder) });
  expect(server.requests).toHaveLength(asked);
});

test("stop --wait and start --wait go there and back, with the events of this action only", async () => {
  const id = await running("pendulum");
  const stopped = await run("stop", "pendulum", "--wait", "--json");
  expect(stopped.code).toBe(0);
  expect(Gitspace.parse(JSON.parse(stopped.out)).state).toBe("stopped");
  expect(stopped.err).toContain("✓ Stopped");
  expect(stopped.err).not.toContain("Cloning");
  const started = await run("start", id, "--wait");
  expect(started.code).toBe(0);
  expect(started.out).toMatch(/^State +running$/m);
  expect(started.err).not.toContain("Stopped");
});

test("stop of what does not run is refused with the server's reason and exit 1", async () => {
  const id = made("idle");
  const { code, out, err } = await run("stop", id);
  expect({ code, out, err }).toEqual({ code: 1, out: "", err: `error: ${id} is not running.\n` });
});

test("delete asks before it does anything; with --yes --wait it ends when the Gitspace is gone", async () => {
  const id = made("gone");
  const unasked = await run("delete", id);
  expect(unasked.code).toBe(2);
  expect(unasked.err).toContain("--yes");
  expect(server.find(id).gitspace.generation).toBe(0);
  const { code, out, err } = await run("delete", id, "--yes", "--wait", "--json");
  expect({ code, said: JSON.parse(out) }).toEqual({ code: 0, said: { identifier: id, deleted: true } });
  expect(err).toContain("✓ Deleted");
  expect((await run("show", id)).code).toBe(3);
});

test("a delete says until when it can be taken back, and undelete takes it back", async () => {
  const id = made("regretted", "https://example.com/ada/kept");
  const { code, out, err } = await run("delete", id, "--yes", "--wait");
  expect({ code, out }).toEqual({ code: 0, out: `${id} is deleted.\n` });
  expect(err).toMatch(/Its files are kept until 2030-\d\d-\d\d .*gitspaces undelete regretted-/);
  expect((await run("list")).out).not.toContain(id);
  const listed = await run("list", "--deleted");
  expect(listed.out).toMatch(new RegExp(`KEPT UNTIL\n${id} .*deleted .*2030-`));
  const json = await run("list", "--deleted", "--json");
  expect(z.array(Gitspace).parse(JSON.parse(json.out))).toMatchObject([{ identifier: id, undelete_until: 1.9e12 }]);
  const back = await run("undelete", "regretted", "--json");
  expect({ code: back.code, said: JSON.parse(back.out) }).toMatchObject({
    code: 0,
    said: { identifier: id, state: "stopped", undelete_until: null },
  });
  const again = await run("undelete", id);
  expect(again).toMatchObject({ code: 1, err: expect.stringContaining("is not deleted") });
  expect((await run("undelete", "nothing-of-the-kind")).code).toBe(3);
});

test("reset asks before it does anything; with --yes --wait what ran runs again and what did not is stopped", async () => {
  const id = await running("afresh");
  expect(await run("reset", id)).toMatchObject({ code: 2, err: expect.stringContaining("--yes") });
  expect(server.find(id).gitspace.generation).toBe(1);
  const up = await run("reset", id, "--yes", "--wait", "--json");
  expect({ code: up.code, said: JSON.parse(up.out) }).toMatchObject({
    code: 0,
    said: { state: "running", generation: 2 },
  });
  expect(up.err).toMatch(/✓ Reset/);
  await run("stop", id, "--wait");
  const down = await run("reset", id, "--yes", "--wait", "--json");
  expect({ code: down.code, said: JSON.parse(down.out) }).toMatchObject({ code: 0, said: { state: "stopped" } });
});

test("cancel --wait ends when a start is given up", async () => {
  const id = made("hasty", "https://example.com/ada/holding");
  server.act(id, "start");
  const { code, out } = await run("cancel", id, "--wait");
  expect({ code, out }).toMatchObject({ code: 0, out: expect.stringMatching(/^State +stopped$/m) });
});

test("a Gitspace is meant by id, by name and by the beginning of either, if that is one only", async () => {
  const id = made("quartz-lab");
  made("quarry");
  for (const reference of [id, "quartz-lab", "QUARTZ", id.slice(0, -2)]) {
    const { code, out } = await run("show", reference, "--json");
    expect([reference, code, JSON.parse(out).identifier]).toEqual([reference, 0, id]);
  }
  const several = await run("show", "quar");
  expect(several.code).toBe(2);
  expect(several.err).toMatch(/error: quar could be any of quar\S+, quar\S+\. Say more of the id\./);
  const none = await run("show", "nothing-like-it", "--json");
  expect(none.code).toBe(3);
  expect(JSON.parse(none.out).failure.code).toBe("not_found");
});

test("list aligns its columns for people and is an array of Gitspaces for programs", async () => {
  const id = made("listed");
  const { out } = await run("list");
  const [head = "", ...rows] = out.trimEnd().split("\n");
  const column = head.indexOf("STATE");
  for (const row of rows) expect(row.slice(column - 2)).toMatch(/^ {2}(uninitialized|starting|running|stopped|error) /);
  expect(out).toContain(id);
  expect(
    z
      .array(Gitspace)
      .parse(JSON.parse((await run("--json", "list")).out))
      .map((each) => each.identifier),
  ).toContain(id);
});

test("events are the timeline for people and the API's array for programs", async () => {
  const id = await running("told");
  const { out } = await run("events", id);
  expect(out).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +0\.0s {2}· Starting$/m);
  expect(out).toMatch(/✓ VS Code answers/);
  const array = JSON.parse((await run("events", id, "--json")).out);
  expect(array.map((each: { event: string }) => each.event)).toContain("agent_clone_completed");
});

test("events and log come whole and in order, however many pages they have", async () => {
  const id = made("long");
  for (let n = 1; n <= 230; n += 1) server.take(id, { event: "note", message: `note ${n}`, log: `line ${n}` });
  const numbers = Array.from({ length: 230 }, (_each, index) => index + 1);
  const told = JSON.parse((await run("events", id, "--json")).out) as { message: string }[];
  expect(told.map(({ message }) => message)).toEqual(numbers.map((n) => `note ${n}`));
  expect((await run("logs", id)).out.trimEnd().split("\n")).toEqual(numbers.map((n) => `line ${n}`));
});

test("events --follow --json gives one document per line until Ctrl-C, which is a good end", async () => {
  const id = await running("followed");
  const { ended, kill } = startCli(home, ["events", id, "--follow", "--json"], { env });
  await until(() => server.listening() === 1);
  server.take(id, { event: "note", message: "while it is watched" });
  await new Promise((resolve) => setTimeout(resolve, 200));
  kill("SIGINT");
  const { code, out } = await ended;
  expect(code).toBe(0);
  const events = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(events.at(-1).message).toBe("while it is watched");
  expect(events.map(({ id: each }) => each)).toEqual([...new Set(events.map(({ id: each }) => each))]);
});

test("logs show every line once, without escape sequences, also over a broken stream", async () => {
  const id = await running("wordy");
  expect((await run("logs", id)).out).toBe("Cloning into 'hello'...\nReceiving objects: 100% (12/12), done.\n");
  const { ended, kill } = startCli(home, ["logs", id, "--follow"], { env });
  await until(() => server.listening() === 1);
  server.take(id, { log: "first" });
  await new Promise((resolve) => setTimeout(resolve, 100));
  server.breakStreams();
  server.take(id, { log: "missed" });
  await until(() => server.listening() === 1);
  server.take(id, { log: "last" });
  await new Promise((resolve) => setTimeout(resolve, 300));
  kill("SIGINT");
  expect((await ended).out.trimEnd().split("\n").slice(2)).toEqual(["first", "missed", "last"]);
});

test("open prints a sign-in link for the Gitspace and opens nothing when nobody is there", async () => {
  const id = await running("opened");
  const { code, out, err } = await run("open", id);
  expect({ code, out, err }).toEqual({ code: 0, out: `${server.url}/sign-in/${id}?link=1\n`, err: "" });
  expect(SignInLink.parse(JSON.parse((await run("open", id, "--json")).out)).sign_in_url).toContain(id);
});

test("tokens are made, listed and revoked; the new one stands alone on stdout", async () => {
  expect(await run("token", "create", "--name", "ci", "--days", "7")).toMatchObject({ code: 0, out: "gst_new\n" });
  expect(z.array(PersonalToken).parse(JSON.parse((await run("token", "list", "--json")).out))).toHaveLength(1);
  expect((await run("token", "list")).out).toMatch(/^ID {5}NAME .*\ntok-1 {2}laptop/);
  expect((await run("token", "revoke", "tok-1")).code).toBe(0);
  expect((await run("token", "revoke", "tok-9")).code).toBe(3);
  expect((await run("token", "create", "--name", "x", "--user", "root")).code).toBe(4);
});

test("a user is made, and a wrong name is told with its field", async () => {
  const { out } = await run(
    "user",
    "create",
    "grace",
    "--name",
    "Grace Hopper",
    "--email",
    "grace@example.com",
    "--json",
  );
  expect(User.parse(JSON.parse(out)).identifier).toBe("grace");
  const wrong = await run(
    "user",
    "create",
    "Grace",
    "--name",
    "Grace Hopper",
    "--email",
    "grace@example.com",
    "--json",
  );
  expect(wrong.code).toBe(2);
  expect(JSON.parse(wrong.out).failure).toMatchObject({ code: "bad_request", field: "identifier" });
});

test.each([
  ["no such command", ["frobnicate"], /unknown command/],
  ["a missing argument", ["show"], /missing required argument 'id'/],
  ["an unknown option", ["list", "--frob"], /unknown option '--frob'/],
  ["a depth that is no number", ["create", "https://a.example/b", "--depth", "0"], /It should be a number of commits/],
  ["a filter that nobody knows", ["create", "https://a.example/b", "--filter", "tree:7"], /blob:none/],
  ["a timeout that is no number", ["start", "x", "--timeout", "soon"], /It should be a number of seconds/],
  ["a URL that is no repository's", ["create", "git@example.com:ada/hello"], /https or http URL/],
  [
    "a token file that is not there",
    ["create", repository, "--git-token-file", "nowhere"],
    /nowhere cannot be read \(ENOENT\)/,
  ],
])("usage: %s exits 2 with one line, and with --json is an object", async (_what, args, message) => {
  const { code, out, err } = await run(...args);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toMatch(/^error: [^\n]+\n$/);
  expect(err).toMatch(message);
  const said = await run(...args, "--json");
  expect({ code: said.code, failure: JSON.parse(said.out).failure.code, err: said.err }).toEqual({
    code: 2,
    failure: "bad_request",
    err: "",
  });
});

test("login keeps address and token for this person only, and later commands use them", async () => {
  using person = makeHome();
  const signedIn = await startCli(person, ["login", "--url", server.url], { input: `${TOKEN}\n` }).ended;
  expect(signedIn).toMatchObject({ code: 0, out: expect.stringContaining("as Ada Lovelace (ada)") });
  expect(signedIn.out + signedIn.err).not.toContain(TOKEN);
  const path = join(person.folder, ".config/gitspaces/config.json");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ url: server.url, token: TOKEN });
  expect((await startCli(person, ["list", "--json"]).ended).code).toBe(0);
});

test("login with a wrong token exits 4 and keeps nothing", async () => {
  using person = makeHome();
  const { code, err } = await startCli(person, ["login", "--url", server.url], { input: "wrong" }).ended;
  expect(code).toBe(4);
  expect(err).toContain("gitspaces login");
  expect(() => statSync(join(person.folder, ".config"))).toThrow("ENOENT");
});

test("nobody signed in is told how, and half an environment is refused", async () => {
  using person = makeHome();
  mkdirSync(join(person.folder, "empty"));
  const half = await startCli(person, ["list"], { env: { GITSPACES_URL: server.url } }).ended;
  expect({ code: half.code, err: half.err }).toEqual({
    code: 2,
    err: "error: GITSPACES_URL is set and GITSPACES_TOKEN_FILE is not. Set both, or neither.\n",
  });
  const none = await startCli(person, ["list"], { env: { GITSPACES_DATA_FOLDER: "empty" } }).ended;
  expect(none).toMatchObject({ code: 2, err: expect.stringContaining("bin/up --data empty") });
});

test("the local installation above the working folder is found by its up.json", async () => {
  using person = makeHome();
  const data = join(person.folder, ".data");
  mkdirSync(data);
  writeFileSync(join(data, "admin-token"), TOKEN);
  const port = new URL(server.url).port;
  writeFileSync(
    join(data, "up.json"),
    JSON.stringify({ ui: `http://ui.gitspaces.localhost:${port}`, admin_token_file: "admin-token", data }),
  );
  const { code, err } = await startCli(person, ["list", "--json"]).ended;
  expect({ code, err }).toEqual({ code: 0, err: "" });
});

test("an up.json in somebody's repository sends no file of this person anywhere", async () => {
  using person = makeHome();
  mkdirSync(join(person.folder, ".data"));
  const up = (content: object): void => writeFileSync(join(person.folder, ".data/up.json"), JSON.stringify(content));
  up({ ui: server.url, admin_token_file: "../token" });
  const outside = await startCli(person, ["list"]).ended;
  expect(outside).toMatchObject({ code: 2, err: expect.stringContaining("its token file is outside its folder") });
  up({ ui: "https://example.com", admin_token_file: "admin-token" });
  const elsewhere = await startCli(person, ["list"]).ended;
  expect(elsewhere).toMatchObject({ code: 2, err: expect.stringContaining("its address is not on this machine") });
});

test("a control plane that is away, or is something else, is named with where its address came from", async () => {
  await using other = await startOther();
  const away = await startCli(home, ["list"], { env: { ...env, GITSPACES_URL: "http://127.0.0.1:9" } }).ended;
  expect(away.code).toBe(1);
  expect(away.err).toMatch(
    /^error: The control plane at http:\/\/127.0.0.1:9 \(from GITSPACES_TOKEN_FILE\) cannot be reached: ECONNREFUSED/,
  );
  const wrong = await startCli(home, ["list"], { env: { ...env, GITSPACES_URL: other.url } }).ended;
  expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining("not as a control plane does") });
});

test("the launcher works through a link from any folder, and says what to do in a checkout not yet installed", async () => {
  const link = join(home.folder, "gs");
  symlinkSync(launcher, link);
  expect((await startCli(home, ["list", "--json"], { env, command: link }).ended).code).toBe(0);
  const bare = join(home.folder, "bare/bin");
  mkdirSync(bare, { recursive: true });
  writeFileSync(join(bare, "gitspaces"), readFileSync(launcher));
  chmodSync(join(bare, "gitspaces"), 0o755);
  const { code, err } = await startCli(home, ["list"], { env, command: join(bare, "gitspaces") }).ended;
  expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining("bin/up first") });
});

async function startOther() {
  const other = createServer((_request, response) => response.end("<html>hello</html>"));
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(other.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      other.closeAllConnections();
      await new Promise((resolve) => other.close(resolve));
    },
  };
}

test("activity tells who used a Gitspace and when it stops; auto-stop sets that, and never takes it back", async () => {
  const id = await running("busy");
  expect((await run("activity", id)).out).toContain("It runs until somebody stops it.");
  expect(await run("auto-stop", id, "30")).toMatchObject({ code: 0, out: `${id} stops after 30 idle minutes.\n` });
  const { out } = await run("activity", id);
  expect(out).toMatch(
    /^It stops after 30 idle minutes: at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, unless somebody uses it before\.$/m,
  );
  expect(out).toMatch(/^websocket +8089 +5\.0 MB +2 min ago +2 min ago$/m);
  expect(out).toMatch(/^ssh +8022 +900 B +- +2 min ago$/m);
  expect((await run("show", id)).out).toMatch(/^Stops +after 30 idle minutes$/m);
  const document = JSON.parse((await run("activity", id, "--json")).out) as { entries: unknown[] };
  expect(document.entries).toHaveLength(2);
  expect((await run("auto-stop", id, "never")).out).toBe(`${id} runs until somebody stops it.\n`);
  expect((await run("auto-stop", id, "0")).code).toBe(2);
});
