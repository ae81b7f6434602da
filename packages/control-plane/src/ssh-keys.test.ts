// A person's SSH keys over the real API: what is taken, and how fast it reaches the gateways.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AccessDocument, Gitspace, GitspaceEvent, SshKey } from "@gitspaces/contracts";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testControlPlane, type TestControlPlane } from "./testing/control-plane.ts";
import { checkedCalls } from "./testing/openapi.ts";
import { follow } from "./testing/sse.ts";

let plane: TestControlPlane;
let api: Awaited<ReturnType<typeof checkedCalls>>;
const folder = mkdtempSync(join(tmpdir(), "gs-ssh-keys-"));
beforeAll(async () => {
  plane = await testControlPlane();
  api = await checkedCalls(plane);
});
afterAll(async () => {
  await plane[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

let made = 0;
/** A fresh key's .pub line and its fingerprint as ssh-keygen itself says it. */
function freshKey(...options: string[]): { line: string; fingerprint: string; file: string } {
  const file = join(folder, `key-${(made += 1)}`);
  execFileSync("ssh-keygen", ["-q", "-N", "", "-C", "ada laptop", "-f", file, ...options]);
  const [, fingerprint = ""] = execFileSync("ssh-keygen", ["-l", "-f", file], { encoding: "utf8" }).split(" ");
  return { line: readFileSync(`${file}.pub`, "utf8"), fingerprint, file };
}
const add = (public_key: string, more: object = {}) =>
  api.call("POST", "/api/v1/user/ssh-keys", { public_key, ...more });

function blob(...strings: (string | Buffer)[]): string {
  const parts = strings.flatMap((each) => {
    const bytes = Buffer.from(each as string);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  return Buffer.concat(parts).toString("base64");
}

test.each([
  ["ssh-ed25519", ["-t", "ed25519"]],
  ["ecdsa-sha2-nistp256", ["-t", "ecdsa", "-b", "256"]],
  ["ecdsa-sha2-nistp384", ["-t", "ecdsa", "-b", "384"]],
  ["ecdsa-sha2-nistp521", ["-t", "ecdsa", "-b", "521"]],
  ["ssh-rsa", ["-t", "rsa", "-b", "2048"]],
])(
  "a key of the type %s is taken, with OpenSSH's own fingerprint and its comment for a name",
  async (type, options) => {
    const { line, fingerprint } = freshKey(...options);
    const { status, body } = await add(line);
    expect({ status, body }).toMatchObject({ status: 201, body: { type, fingerprint, name: "ada laptop" } });
    expect(`${(body as SshKey).public_key} ada laptop\n`).toBe(line);
  },
);

test("keys that live on a security key are taken", async () => {
  const [, base64 = ""] = freshKey("-t", "ed25519").line.split(" ");
  const point = Buffer.from(base64, "base64").subarray(-32);
  const key = blob("sk-ssh-ed25519@openssh.com", point, "ssh:");
  expect(await add(`sk-ssh-ed25519@openssh.com ${key} yubi`)).toMatchObject({ status: 201, body: { name: "yubi" } });
  const [, ec = ""] = freshKey("-t", "ecdsa", "-b", "256").line.split(" ");
  const onCurve = Buffer.from(ec, "base64").subarray(-65);
  const ecKey = blob("sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", onCurve, "ssh:");
  expect((await add(`sk-ecdsa-sha2-nistp256@openssh.com ${ecKey}`)).status).toBe(201);
});

test("everything else is refused, names the field and repeats nothing of what was given", async () => {
  const { line, file } = freshKey("-t", "ed25519");
  const [type = "", base64 = ""] = line.split(" ");
  const wrong: [string, string][] = [
    ["a private key", readFileSync(file, "utf8")],
    ["options before the key", `command="/bin/sh" ${line}`],
    ["two lines", `${line}${freshKey("-t", "ed25519").line}`],
    ["a key hidden behind a carriage return", `${line.trim()}\rssh-ed25519 AAAA`],
    ["half a key", `${type} ${base64.slice(0, 40)}`],
    ["no base64", `${type} ${base64.slice(0, -1)}!`],
    ["another type before the same bytes", `ssh-rsa ${base64}`],
    [
      "bytes behind the key",
      `${type} ${Buffer.concat([Buffer.from(base64, "base64"), Buffer.alloc(4)]).toString("base64")}`,
    ],
    [
      "a point that is not on its curve",
      `ecdsa-sha2-nistp256 ${blob("ecdsa-sha2-nistp256", "nistp256", Buffer.alloc(65, 4))}`,
    ],
    ["a short RSA key", freshKey("-t", "rsa", "-b", "1024").line],
    ["DSA", `ssh-dss ${base64}`],
    ["a certificate", `ssh-ed25519-cert-v01@openssh.com ${base64}`],
    ["a name of the language", `constructor ${base64}`],
    ["an SSH1 key", "1024 35 1234567890"],
  ];
  for (const [what, text] of wrong) {
    const { status, body } = await add(text);
    expect({ what, status, body }).toMatchObject({
      what,
      status: 400,
      body: { code: "bad_request", field: "public_key" },
    });
    expect(JSON.stringify(body)).not.toContain(text.trim().split("\n").at(-2)?.slice(0, 40) ?? base64);
  }
});

test("the same key again is found again, under whatever name, and another person may have it too", async () => {
  const { line } = freshKey("-t", "ed25519");
  const first = await add(line, { name: "laptop" });
  const again = await add(line.trim().replace(/ ada laptop$/, " elsewhere"), { name: "other" });
  expect(again).toMatchObject({ status: 200, body: first.body as object });
  const ann = { identifier: "ann", display_name: "Ann", email: "ann@example.com" };
  expect((await api.call("POST", "/api/v1/users", ann)).status).toBe(201);
  const token = (await api.call("POST", "/api/v1/tokens", { name: "t", user_identifier: "ann" })).body as {
    token: string;
  };
  const asAnn = { authorization: `Bearer ${token.token}` };
  const { identifier } = first.body as SshKey;
  expect((await api.call("GET", "/api/v1/user/ssh-keys", undefined, asAnn)).body).toEqual([]);
  expect((await api.call("DELETE", `/api/v1/user/ssh-keys/${identifier}`, undefined, asAnn)).status).toBe(404);
  expect((await api.call("POST", "/api/v1/user/ssh-keys", { public_key: line }, asAnn)).status).toBe(201);
});

test("a key reaches the access document of its owner's Gitspaces at once, and leaves it at once; the timeline tells", async () => {
  const repository = { code_repo_url: "https://git.example.com/a/hello" };
  const { identifier } = (await api.call("POST", "/api/v1/gitspaces", repository)).body as Gitspace;
  using stream = await follow(`${plane.url}/api/gateway/v1/stream`, { authorization: `Bearer ${plane.gatewayToken}` });
  await stream.until("ready");
  const next = async (): Promise<AccessDocument> => {
    for (;;) {
      const { data } = await stream.next();
      const document = decodeJwt<AccessDocument>((data as { jws: string }).jws);
      if (document.gitspaceId === identifier) return document;
    }
  };
  const { line, fingerprint } = freshKey("-t", "ed25519");
  const key = (await add(line)).body as SshKey;
  expect((await next()).sshKeys).toContain(key.public_key);
  expect((await api.call("DELETE", `/api/v1/user/ssh-keys/${key.identifier}`)).status).toBe(204);
  expect((await next()).sshKeys).not.toContain(key.public_key);
  expect((await api.call("DELETE", `/api/v1/user/ssh-keys/${key.identifier}`)).status).toBe(404);
  const events = (await api.call("GET", `/api/v1/gitspaces/${identifier}/events`)).body as GitspaceEvent[];
  const told = events.filter(({ event }) => event.startsWith("ssh_key")).map(({ event, fields }) => [event, fields]);
  expect(told.toReversed()).toEqual([
    ["ssh_key_added", { fingerprint, user: "admin" }],
    ["ssh_key_removed", { fingerprint, user: "admin" }],
  ]);
});

test("where SSH is reached is what gateways report, with the host keys of all of them, also after a restart", async () => {
  expect((await api.call("GET", "/api/v1/ssh")).status).toBe(404);
  const report = (gateway: string, sshHostKeys: string[], at: number) =>
    plane.call(
      "POST",
      "/api/gateway/v1/reports",
      { reports: [{ kind: "health", gateway, version: "1", healthy: true, sshPort: 7402, sshHostKeys, at }] },
      { authorization: `Bearer ${plane.gatewayToken}` },
    );
  expect((await report("a", ["ssh-ed25519 AAAA"], Date.now())).status).toBe(200);
  expect((await report("b", ["ssh-ed25519 BBBB", "ssh-ed25519 AAAA"], Date.now())).status).toBe(200);
  expect((await report("old", ["ssh-ed25519 CCCC"], Date.now() - 8 * 86_400_000)).status).toBe(200);
  await plane.restart();
  const place = (await api.call("GET", "/api/v1/ssh")).body as { host_keys: string[] };
  expect(place).toMatchObject({ host: "gitspaces.localhost", port: 7402, url: "http://gitspaces.localhost:7401" });
  expect(place.host_keys.toSorted()).toEqual(["ssh-ed25519 AAAA", "ssh-ed25519 BBBB"]);
});
