import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog } from "@gitspaces/daemon";
import { generateKeyPair } from "jose";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Access } from "./access.ts";
import { AccessFile, readAccessFile } from "./access-file.ts";
import { followAccess } from "./access-feed.ts";
import { TestControlPlane, TOKEN } from "./testing/control-plane.ts";
import { until } from "./testing/street.ts";

const id = "hello-k3v9x2";
const log = createLog("test", "silent");
const document = {
  gitspaceId: id,
  version: 5,
  name: "hello",
  state: "running",
  generation: 1,
  owner: "ada",
  organisation: "engine",
  ports: {},
  sshKeys: [],
};
let controlPlane: TestControlPlane;
let folder: string;

beforeEach(async () => {
  controlPlane = await TestControlPlane.start();
  folder = mkdtempSync(join(tmpdir(), "access-"));
});
afterEach(async () => {
  await controlPlane[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("a document's version never goes back", async () => {
  const access = new Access(controlPlane.keys);
  await access.takeDocument(await controlPlane.sign(document));
  await access.takeDocument(await controlPlane.sign({ ...document, version: 4, owner: "bob" }));
  await access.takeDocument(await controlPlane.sign({ ...document, version: 5, owner: "bob" }));
  expect(access.find(id)?.owner).toBe("ada");
  await access.takeDocument(await controlPlane.sign({ ...document, version: 6, owner: "bob" }));
  expect(access.find(id)?.owner).toBe("bob");
});

test("an SSH key is known for as long as it opens any Gitspace, also after a restart and under new keys of the control plane", async () => {
  const access = new Access(controlPlane.keys);
  const other = "other-a1b2c3";
  const take = async (version: number, more: object) =>
    await access.takeDocument(await controlPlane.sign({ ...document, version, ...more }));
  const known = (of = access): boolean[] => ["AAAA", "BBBB"].map((key) => of.isSshKey(key));
  await take(5, { sshKeys: ["ssh-ed25519 AAAA ada@laptop", "ssh-ed25519 AAAA again"] });
  await take(6, { gitspaceId: other, sshKeys: ["ssh-ed25519 AAAA", "ssh-rsa BBBB"] });
  expect(known()).toEqual([true, true]);
  const again = new Access({ keys: [] });
  await again.restore(access.snapshot());
  expect(known(again)).toEqual([true, true]);
  await take(7, { gitspaceId: other, sshKeys: ["ssh-rsa BBBB"] });
  expect(known()).toEqual([true, true]);
  await take(8, { sshKeys: [] });
  expect(known()).toEqual([false, true]);
  await take(9, { gitspaceId: other, sshKeys: ["ssh-rsa BBBB"], state: "deleted" });
  expect(known()).toEqual([false, false]);
  await again.takeKeys({ keys: [] });
  expect(known(again)).toEqual([false, false]);
});

test("a document that somebody else signed, or that was changed, is not taken", async () => {
  const access = new Access(controlPlane.keys);
  const stranger = await generateKeyPair("EdDSA");
  await expect(access.takeDocument(await controlPlane.sign(document, stranger.privateKey))).rejects.toThrow(
    /signature/,
  );
  const [head, , signature] = (await controlPlane.sign(document)).split(".");
  const forged = Buffer.from(JSON.stringify({ ...document, owner: "eve" })).toString("base64url");
  await expect(access.takeDocument(`${head}.${forged}.${signature}`)).rejects.toThrow(/signature/);
  await expect(access.takeDocument(await controlPlane.sign({ id, type: "gitspace.start" }))).rejects.toThrow(
    /access document/,
  );
  const otherKind = await controlPlane.sign(document, undefined, "gitspaces-task+jws");
  await expect(access.takeDocument(otherKind)).rejects.toThrow(/type/);
  expect(access.size).toBe(0);
});

test("what is kept on disk is signed, private, and read back", async () => {
  const file = join(folder, "gateway", "access.json");
  const access = new Access(controlPlane.keys);
  await access.takeDocument(await controlPlane.sign(document));
  await access.takeRevocation(await controlPlane.sign({ version: 7, user: "ada", before: Date.now() }));
  access.lastEventId = "7";
  {
    await using writing = new AccessFile(file, () => access.snapshot(), log);
    writing.changed();
    writing.changed();
  }
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const again = new Access({ keys: [] });
  await again.restore((await readAccessFile(file, log)) ?? access.snapshot());
  expect([again.find(id)?.owner, again.lastEventId, again.isLoaded]).toEqual(["ada", "7", true]);
  const session = {
    user: "ada",
    organisation: "engine",
    sessionId: "s",
    hostname: "h",
    startedAt: Date.now() - 1_000,
    expiresAt: Date.now() + 1_000,
  };
  expect(again.isRevoked(session)).toBe(true);
  expect(again.isRevoked({ ...session, user: "bob" })).toBe(false);
  expect(readFileSync(file, "utf8")).not.toContain("engine");
});

test("the stream goes on from where it stopped, and begins anew when the control plane has other keys", async () => {
  const access = new Access({ keys: [] });
  await controlPlane.publish({ gitspaceId: id, name: "first" });
  const feed = { controlPlane: { url: controlPlane.url, token: TOKEN }, access, onChange: () => {}, log };
  {
    await using life = new AsyncDisposableStack();
    life.use(followAccess(feed));
    await until(() => access.isLoaded, "the stream was read");
    expect(access.find(id)?.name).toBe("first");
  }
  await controlPlane.publish({ gitspaceId: id, name: "second" });
  {
    await using life = new AsyncDisposableStack();
    life.use(followAccess(feed));
    await until(() => access.find(id)?.name === "second", "the change was read");
  }
  expect(controlPlane.resumes).toEqual([undefined, "1"]);

  await using other = await TestControlPlane.start();
  await other.publish({ gitspaceId: id, name: "another world" });
  await using life = new AsyncDisposableStack();
  life.use(followAccess({ ...feed, controlPlane: { url: other.url, token: TOKEN } }));
  await until(() => access.find(id)?.name === "another world", "the other control plane's documents were read");
  expect(other.resumes).toEqual(["2", undefined]);
});
