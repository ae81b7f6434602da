import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { composedServices, composeInstallation, keepFiles } from "./compose-init.ts";

let folder: string;
let given: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "compose-init-"));
  given = join(folder, "given");
  mkdirSync(given);
  mkdirSync(join(folder, "installation"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const compose = () => composeInstallation(join(folder, "installation"), given);

test("asked again, an installation is the one it was", async () => {
  expect(await compose()).toEqual(await compose());
});

test("no service is handed a password of Redis that is another's", async () => {
  const { files } = await compose();
  const passwords = (["delegate", "runner", "gateway"] as const).map((name) => files[name]["redis-password"]?.trim());
  expect(new Set(passwords).size).toBe(3);
  for (const service of composedServices) {
    const all = Object.values(files[service]).join("\n");
    const own = files[service]["redis-password"]?.trim();
    expect(passwords.filter((password) => password !== own && all.includes(password ?? "?"))).toEqual([]);
  }
});

test("only the control plane is handed what signs and what unseals", async () => {
  const { files } = await compose();
  const holders = (name: string) => composedServices.filter((service) => name in files[service]);
  expect(holders("signing-key.json")).toEqual(["control-plane"]);
  expect(holders("secrets-key")).toEqual(["control-plane"]);
  expect(holders("admin-token")).toEqual(["control-plane"]);
  expect(files.runner["control-plane-keys.json"]).not.toContain('"d"');
});

test("every secret that a daemon's settings name is handed to it", async () => {
  const { files } = await compose();
  for (const service of ["control-plane", "delegate", "runner", "gateway"] as const) {
    const named = [...(files[service]["settings.yml"] ?? "").matchAll(/: \/secrets\/(\S+)/g)].map(([, name]) => name);
    // The CA is the runner's to make, so its fingerprint is handed out elsewhere.
    const expected = named.filter((name) => name !== "ca-fingerprint");
    expect(Object.keys(files[service])).toEqual(expect.arrayContaining(expected));
    expect(expected.length).toBeGreaterThan(0);
  }
});

test("what another control plane gave stands for what would have been made", async () => {
  await compose();
  writeFileSync(join(given, "delegate-token"), "0123456789abcdef0123456789abcdef\n");
  writeFileSync(join(given, "control-plane-keys.json"), '{"keys":[]}\n');
  const { files } = await compose();
  expect(files.delegate["delegate-token"]).toBe("0123456789abcdef0123456789abcdef\n");
  expect(files.runner["control-plane-keys.json"]).toBe('{"keys":[]}\n');
});

test("Redis listens over TLS alone", async () => {
  const lines = (await compose()).files.redis["redis.conf"]?.split("\n");
  expect(lines).toContain("port 0");
  expect(lines).toContain("tls-port 6379");
});

test("files are for their owner alone, and one that stays the same is not touched", () => {
  const own = join(folder, "own");
  keepFiles(own, { secret: "a", other: "b" });
  const before = statSync(join(own, "secret"), { bigint: true });
  keepFiles(own, { secret: "a", other: "c" });
  expect(statSync(join(own, "secret"), { bigint: true }).ino).toBe(before.ino);
  expect(before.mode & 0o777n).toBe(0o600n);
  expect(readFileSync(join(own, "other"), "utf8")).toBe("c");
  expect(readdirSync(own)).toEqual(["other", "secret"]);
});
