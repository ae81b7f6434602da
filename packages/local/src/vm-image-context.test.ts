import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { archive, digestOf, filesOf } from "./vm-image-context.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "gs-image-test-"));
  mkdirSync(join(root, "packages/agent/src/testing"), { recursive: true });
  writeFileSync(join(root, "packages/agent/src/main.ts"), "work", { mode: 0o600 });
  writeFileSync(join(root, "packages/agent/src/main.test.ts"), "a test");
  writeFileSync(join(root, "packages/agent/src/testing/engine.ts"), "a test's");
});
afterEach(() => rmSync(root, { recursive: true }));

const part = () => ({ folder: root, names: ["packages"] });
const digest = () => digestOf(filesOf(part()));
const signal = AbortSignal.timeout(10_000);

test("a digest changes with a file's content, name and right to be run, and with a link's aim", () => {
  const seen = [digest()];
  const change = (how: () => void) => {
    how();
    seen.push(digest());
  };
  change(() => writeFileSync(join(root, "packages/agent/src/main.ts"), "other work"));
  change(() => writeFileSync(join(root, "packages/agent/src/more.ts"), "other work"));
  change(() => chmodSync(join(root, "packages/agent/src/more.ts"), 0o755));
  change(() => symlinkSync("main.ts", join(root, "packages/agent/src/link.ts")));
  expect(new Set(seen).size).toBe(seen.length);
});

test("a digest does not change with tests and what they stand on", () => {
  const before = digest();
  writeFileSync(join(root, "packages/agent/src/main.test.ts"), "another test");
  writeFileSync(join(root, "packages/agent/src/testing/engine.ts"), "another");
  expect(digest()).toBe(before);
});

test("an archive holds files for root's keeping and everybody's reading, without tests, under the names asked for", async () => {
  const tar = await buffer(archive([part()], { whole: false, renames: [["packages/", "parts/"]], signal }));
  const listed = execFileSync("tar", ["--list", "--verbose", "--numeric-owner"], { input: tar, encoding: "utf8" });
  expect(listed).toMatch(/^-rw-r--r-- 0\/0 .* parts\/agent\/src\/main\.ts$/m);
  expect(listed).not.toContain("test");
});

test("an archive of what is not there ends with tar's own words", async () => {
  const missing = archive([{ folder: root, names: ["nowhere"] }], { whole: true, signal });
  await expect(buffer(missing)).rejects.toThrow(/tar ended with 2: .*nowhere/);
});
