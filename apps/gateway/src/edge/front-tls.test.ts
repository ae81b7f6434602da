// Certificates that change on the disk, whole and broken, and which of several is shown to whom.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SecureContextOptions } from "node:tls";
import { createLog, systemClock } from "@gitspaces/daemon";
import { makeWebAuthority, type WebCertificate } from "@gitspaces/daemon/testing/web-authority";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { pairFor, readPair } from "./front-pair.ts";
import { openFrontTls, pairFiles } from "./front-tls.ts";

const folder = mkdtempSync(join(tmpdir(), "front-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const authority = await makeWebAuthority();
const LOOK_MS = 20;

function write(name: string, { certificate, key }: WebCertificate) {
  const files = { certificateFile: join(folder, `${name}.pem`), keyFile: join(folder, `${name}.key`) };
  writeFileSync(files.certificateFile, certificate);
  writeFileSync(files.keyFile, key);
  return files;
}

/** A log that keeps what is said at a level. */
function listener() {
  const said: string[] = [];
  const log = createLog("front-test", "silent");
  log.error = (told: { reason: string }) => void said.push(told.reason);
  return { said, log };
}

test("a new pair that is broken or does not match is reported once, and the old one stays until a good one comes", async () => {
  const files = write("renewed", await authority.issue(["one.test"]));
  const { said, log } = listener();
  using tls = openFrontTls({ files: [files], clock: systemClock, log, lookMs: LOOK_MS });
  const shown: SecureContextOptions[] = [];
  tls.onRenewed((each) => shown.push(each));
  const rounds = async () => sleep(LOOK_MS * 8);

  const next = await authority.issue(["one.test"]);
  writeFileSync(files.certificateFile, next.certificate);
  await rounds();
  expect(said).toEqual([expect.stringContaining("does not belong to")]);
  writeFileSync(files.certificateFile, "nonsense");
  await rounds();
  rmSync(files.certificateFile);
  await rounds();
  expect(said.slice(1)).toEqual([
    expect.stringContaining("should hold a PEM certificate"),
    expect.stringContaining("could not be read (ENOENT)"),
  ]);
  write("renewed", await authority.issue(["one.test"], Date.now() - 1_000));
  await rounds();
  expect([said.at(-1), shown]).toEqual([expect.stringContaining("was valid until"), []]);
  write("renewed", next);
  await rounds();
  expect(shown.map(({ cert }) => cert)).toEqual([next.certificate]);
  expect(said).toHaveLength(4);
});

test("whoever greets a name is shown the certificate that has it, anybody else the first", async () => {
  const pairs = await Promise.all(
    [["*.one.test"], ["two.test", "*.two.test"]].map(async (names) =>
      readPair(write(names[0]?.replace("*", "all") ?? "", await authority.issue(names)), Date.now()),
    ),
  );
  expect(pairFor(pairs, "3000--hello.two.test")).toBe(pairs[1]);
  expect(pairFor(pairs, "hello.one.test")).toBe(pairs[0]);
  expect(pairFor(pairs, "elsewhere.test")).toBe(pairs[0]);
});

test("an administrator sees on the ready page that a certificate in use is over", async () => {
  const files = write("ends", await authority.issue(["ends.test"], Date.now() + 60_000));
  let now = Date.now();
  using tls = openFrontTls({ files: [files], clock: { now: () => now }, log: listener().log });
  expect(() => tls.check()).not.toThrow();
  now += 120_000;
  expect(() => tls.check()).toThrow("the certificate of CN=ends.test was valid until");
});

test("certificates and keys are named in pairs", () => {
  expect(pairFiles(["a.pem", "b.pem"], ["a.key", "b.key"])[1]).toEqual({ certificateFile: "b.pem", keyFile: "b.key" });
  expect(() => pairFiles(["a.pem"], [])).toThrow("equally many files");
});
