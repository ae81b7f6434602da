// Canary secrets of every kind go through a whole life of Gitspaces; then everything that can be read is searched for them.
import { randomBytes, type webcrypto } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Gitspace, GitspaceTask } from "@gitspaces/contracts";
import { signTask, type Unsigned } from "@gitspaces/contracts/signing";
import { importJWK, type JWK } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commitFiles, type GitServer, startGitServer } from "../e2e/git-server.ts";
import { connectAgent } from "../e2e/route.ts";
import { installationSecrets, visit, vmSecrets } from "./canaries.ts";
import { daemons, type House, openHouse, until } from "./house.ts";
import { type Canary, secretSearch } from "./secret-search.ts";

/** Characters that every encoding writes in a way of its own, around what none of them changes. */
const secret = (): { whole: string; core: string } => {
  const core = randomBytes(15).toString("hex");
  return { whole: `+/%&"${core}\\=~ `.trim(), core };
};
const gitToken = secret();
const wrongToken = secret();
const inUrl = secret();
const inBody = secret();
const hooks = {
  onCreateCommand:
    "env; cat /proc/self/environ; git config --list --show-origin; ls -la /dev/shm /run/gitspaces 2>&1; true",
  postCreateCommand: { one: "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | head -300" },
};

let git: GitServer;
let house: House;
let repository: (name: string, files: Record<string, string>) => string;
beforeAll(async () => {
  git = await startGitServer(gitToken.whole);
  house = await openHouse({
    vmHostPorts: [git.port],
    pool: 'version: "1"\ninstances:\n  - { name: default, type: process, default: true, warm: 1, max: 10 }\n',
    env: { GITSPACES_LOG_LEVEL: "debug" },
  });
  repository = (name, files) =>
    `http://${house.system.up.host_address}:${git.port}${commitFiles(git.root, name, files)}`;
});
afterAll(async () => {
  await house?.[Symbol.asyncDispose]();
  await git?.[Symbol.asyncDispose]();
});

/** A request as it is, with the text of its answer, whatever that says. */
async function ask(method: string, path: string, body?: string, token = house.system.adminToken): Promise<string> {
  const answer = await fetch(new URL(path, house.system.up.ui), {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    redirect: "manual",
    ...(body === undefined ? {} : { body }),
  });
  return `${[...answer.headers].join("\n")}\n${await answer.text()}`;
}

async function make(url: string, token: string, more: Record<string, unknown> = {}): Promise<string> {
  const body = { code_repo_url: url, code_repo_token: token, code_repo_user: "ada", ...more };
  const { identifier } = await house.api.call<Gitspace>("POST", "gitspaces", body);
  await house.api.call("POST", `gitspaces/${identifier}/actions`, { action: "start" });
  return identifier;
}

test("I10: no canary appears in a log, a database, Redis, its append-only file, an argument, an environment or an error body", async () => {
  const { api } = house;
  const tokens: Canary[] = Object.entries({ gitToken, wrongToken, inUrl, inBody }).flatMap(
    ([name, { whole, core }]) => [
      { name, text: whole },
      { name: `core of ${name}`, text: core },
    ],
  );
  const passing = secretSearch(tokens);
  const sampling = setInterval(() => passing.processes(process.pid), 200);
  const bodies: string[] = [];
  // The head of every token that a delegate makes of its secret.
  const bearer = { name: "bearer token of a delegate", text: Buffer.from('{"alg":"dir"').toString("base64url") };
  const secrets = [...tokens, bearer, ...installationSecrets(house), ...vmSecrets(house)];

  // A good life, seen by a browser.
  const good = await make(
    repository("good", { "README.md": "good", ".devcontainer.json": JSON.stringify(hooks) }),
    gitToken.whole,
  );
  await api.until(good, ["running"]);
  secrets.push(...(await visit(house, good)), ...vmSecrets(house));
  const made = await api.call<{ token: string; identifier: string }>("POST", "tokens", { name: "canary" });
  secrets.push({ name: "a personal token", text: made.token });
  await api.stop(good);

  // Errors that nobody foresaw, told by whoever had the secrets in hand; and an end in the middle of a clone.
  const isSettled = async (id: string) =>
    ["running", "error"].includes((await api.call<Gitspace>("GET", `gitspaces/${id}`)).state);
  for (const name of [
    "runner.afterReserve",
    "control-plane.afterAcquire",
    "delegate.afterAcquire",
    "agent.afterHalfClone",
  ])
    house.arm(name, "error");
  const unlucky = await make(repository("unlucky", { a: "" }), gitToken.whole);
  await until("the unlucky start is settled", 120_000, () => isSettled(unlucky));
  house.arm("agent.afterCloneBegun", "kill");
  const halfway = await make(repository("halfway", { a: "" }), gitToken.whole);
  await until("the start whose agent was killed is settled", 120_000, () => isSettled(halfway));
  expect(house.hasPassed("control-plane.afterAcquire")).toBe(true);

  // Starts that fail: wrong token, nobody there, a broken devcontainer, a hook that never ends and is cancelled.
  const wrong = await make(repository("wrong", { a: "" }), wrongToken.whole);
  const nobody = await make(`http://${house.system.up.host_address}:9/nobody.git`, gitToken.whole);
  const broken = await make(repository("broken", { ".devcontainer.json": `{"image": ` }), gitToken.whole);
  const endless = await make(
    repository("endless", { ".devcontainer.json": `{"onCreateCommand": "sleep 1000"}` }),
    gitToken.whole,
  );
  for (const id of [wrong, nobody, broken]) bodies.push(JSON.stringify(await api.until(id, ["error"])));
  await until("the hook runs", 60_000, async () =>
    (await api.events(endless)).some(({ event }) => event === "agent_clone_completed"),
  );
  secrets.push(...vmSecrets(house));
  bodies.push(await ask("POST", `/api/v1/gitspaces/${endless}/actions`, `{"action":"cancel"}`));

  // Requests that are refused, with secrets where they should not be.
  const wild = inBody.whole;
  const refused = async (body: unknown) =>
    bodies.push(await ask("POST", "/api/v1/gitspaces", typeof body === "string" ? body : JSON.stringify(body)));
  await refused({ code_repo_url: `https://ada:${encodeURIComponent(inUrl.whole)}@127.0.0.1/x.git` });
  await refused({ code_repo_url: `https://127.0.0.1/x.git`, code_repo_token: `${wild}${"x".repeat(5_000)}` });
  await refused({ code_repo_url: `https://127.0.0.1/x.git`, code_repo_token: { nested: wild } });
  await refused({ code_repo_url: `https://127.0.0.1/x.git`, code_repo_token: wild, ide: "none" });
  await refused(`{"code_repo_token": "${inBody.core}", `);
  bodies.push(await ask("GET", `/api/v1/gitspaces?token=${encodeURIComponent(inUrl.whole)}`));
  bodies.push(await ask("GET", `/api/v1/${inUrl.core}/nothing`));
  bodies.push(await ask("GET", "/api/v1/gitspaces", undefined, inBody.core));
  bodies.push(await ask("GET", `/sign-in/${inUrl.core}`));
  bodies.push(await ask("POST", "/api/v1/session", JSON.stringify({ token: inBody.core })));

  // kill -9 of everything, one after the other, in the middle of one start.
  await api.call("POST", `gitspaces/${good}/actions`, { action: "start" });
  for (const victim of ["agent", "delegate", "gateway", "control-plane", "redis", "runner"] as const) {
    await sleep(150);
    house.signal(victim, "SIGKILL");
  }
  for (const daemon of daemons) await house.ready(daemon, 60_000);
  await until("the start is settled", 120_000, () => isSettled(good));
  secrets.push(...vmSecrets(house));
  await until("one is deleted", 60_000, async () => {
    await api.call("DELETE", `gitspaces/${broken}`);
    return true;
  });
  clearInterval(sampling);

  const search = secretSearch([...new Map(secrets.map((each) => [each.name, each])).values()]);
  search.processes(process.pid);
  search.folder(house.data, /^(?:images|redis\/.*\.sock$)/);
  search.folder("/dev/shm", /^$/);
  await search.redis(
    house.system.portBase + 5,
    readFileSync(join(house.data, "secrets", "redis-local-password"), "utf8").trim(),
  );
  for (const body of bodies) search.look("an answer of the API", body);
  for (const id of [good, wrong, nobody, broken, endless, unlucky, halfway]) {
    for (const part of ["", "/events", "/logs", "/events?limit=100&page=2"]) {
      search.look(`the API's ${part} of ${id}`, await ask("GET", `/api/v1/gitspaces/${id}${part}`));
    }
  }
  search.look("the API's list", await ask("GET", "/api/v1/gitspaces"));
  search.look("the API's tokens", await ask("GET", "/api/v1/tokens"));
  console.log(
    `looked for ${secrets.length} secrets`,
    search.looked,
    `and ${passing.looked.processes} times at a process on the way`,
  );
  // That the search reaches these places at all: what is allowed there is found there, and nowhere else when it is a secret.
  const task = (await api.events(good)).find(({ event }) => event === "infra_vm_creation_completed")?.task_id ?? "";
  const control = secretSearch([
    { name: "admin token", text: house.system.adminToken },
    { name: "task", text: task },
  ]);
  control.folder(house.data, /^images/);
  control.look("an answer of the API", await ask("GET", `/api/v1/gitspaces/${good}/events`));
  const found = (name: string) => control.hits().flatMap(({ canary, where }) => (canary === name ? [where] : []));
  expect(found("admin token")).toEqual(["secrets/admin-token"]);
  const places = [/^control-plane\.db/, /^delegate\.db/, /^logs\/runner/, /\.aof$/, /^an answer/];
  expect(places.filter((place) => !found("task").some((where) => place.test(where)))).toEqual([]);
  expect(search.hits()).toEqual([]);
  expect(passing.hits()).toEqual([]);
  expect(search.looked).toMatchObject({ redisKeys: expect.toSatisfy((count: number) => count > 3) });
  expect(search.looked.files).toBeGreaterThan(20);
});

test("I10: every file with a secret in it is for its owner only", () => {
  const secrets = readdirSync(join(house.data, "secrets")).map((name) => `secrets/${name}`);
  const stores = ["control-plane.db", "delegate.db", "logs/runner.log", "logs/control-plane.log"];
  const isOpen = (path: string) => (statSync(join(house.data, path)).mode & 0o077) !== 0;
  expect(["secrets", ...secrets, ...stores].filter(isOpen)).toEqual([]);
});

test("I15: secrets open only in the task, generation and Gitspace they were sealed for, whoever puts them elsewhere", async () => {
  const { api, system } = house;
  const url = repository("sealed", { "README.md": "sealed" });
  const ids = [await make(url, gitToken.whole), await make(url, gitToken.whole)] as const;
  for (const id of ids) await api.until(id, ["running"]);
  const agent = await connectAgent(system, ids[1]);
  type Start = Extract<GitspaceTask, { type: "gitspace.start" }>;
  const foreign = agent.signedTaskOf(ids[0]) as Start;
  const own = agent.signedTaskOf(ids[1]) as Start;
  expect(foreign.data.secrets).not.toBeNull();

  // Without the control plane's key nothing can be put together that an agent takes.
  const refused = async (task: unknown) => (await agent.postTask(task)).code;
  expect(await refused(foreign)).toBe("denied");
  expect(await refused({ ...own, data: { ...own.data, secrets: foreign.data.secrets } })).toBe("denied");
  expect(await refused({ ...own, signature: foreign.signature })).toBe("denied");
  expect(await refused({ ...foreign, gitspaceId: own.gitspaceId })).toBe("denied");
  expect(await refused({ ...own, generation: own.generation + 1 })).toBe("denied");

  // And with it, secrets of another task still do not open: neither in a new task, nor under its name.
  const jwk = JSON.parse(readFileSync(join(house.data, "secrets", "signing-key.json"), "utf8")) as JWK;
  const key = await importJWK(jwk, "EdDSA");
  const perform = async (secrets: Start["data"]["secrets"], generation = own.generation) => {
    const { signature: _, ...rest } = own;
    const id = crypto.randomUUID();
    const aad = Buffer.from(`${id}.${generation}`).toString("base64url");
    const task: Unsigned<Start> = {
      ...rest,
      id,
      generation,
      deadline: Date.now() + 60_000,
      data: { ...own.data, secrets: secrets?.aad === "" ? { ...secrets, aad } : secrets },
    };
    expect(await agent.postTask(await signTask(task, key as webcrypto.CryptoKey, jwk.kid ?? ""))).toMatchObject({
      status: 202,
    });
    return await agent.story(id);
  };
  const renamed = (sealed: Start["data"]["secrets"]) => (sealed === null ? null : { ...sealed, aad: "" });
  for (const secrets of [
    foreign.data.secrets,
    own.data.secrets,
    renamed(foreign.data.secrets),
    renamed(own.data.secrets),
  ]) {
    const story = await perform(secrets);
    expect(story).toContain(`"code":"denied"`);
    expect(story).not.toContain(gitToken.core);
  }
  expect(await perform(null)).toContain(`"outcome":"ok"`);
});
