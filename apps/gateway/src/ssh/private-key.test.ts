// Keys that are made here are keys to OpenSSH.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sshHostKeysOf } from "./host-keys.ts";

test("OpenSSH reads a host key as the gateway does, and a second look finds the same", () => {
  const folder = mkdtempSync(join(tmpdir(), "host-keys-"));
  const [key] = sshHostKeysOf(folder);
  const file = join(folder, "ssh/host_ed25519");
  expect(execFileSync("ssh-keygen", ["-y", "-P", "", "-f", file], { encoding: "utf8" }).trim()).toBe(key?.line);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(sshHostKeysOf(folder)).toEqual([key]);
  rmSync(folder, { recursive: true });
});
