// Signatures under commits with the person's SSH key: ssh-keygen reads it from a file in memory that is gone right after.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { fail } from "@gitspaces/contracts";
import { inMemory } from "./run-folder.ts";

const DEADLINE_MS = 10_000;
const TOOLS = { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C" };

/** Signs as git does (namespace `git`); gives the armored signature. @throws {FailureError} `internal` for a key that cannot sign. */
export async function signSsh(key: string, payload: Buffer): Promise<string> {
  return await withKey(key, async (keyFile, folder) => {
    const file = join(folder, "payload");
    writeFileSync(file, payload, { mode: 0o600 });
    await sshKeygen(["-q", "-Y", "sign", "-n", "git", "-f", keyFile, file]);
    return readFileSync(`${file}.sig`, "utf8");
  });
}

/** The public half, `ssh-ed25519 AAAA…`. @throws {FailureError} `internal` for what is no key, or one behind a passphrase. */
export async function sshPublicKey(key: string): Promise<string> {
  const text = await withKey(key, async (keyFile) => await sshKeygen(["-y", "-P", "", "-f", keyFile]));
  return text.trim().split(" ").slice(0, 2).join(" ");
}

async function withKey<T>(key: string, work: (keyFile: string, folder: string) => Promise<T>): Promise<T> {
  const folder = join(inMemory(), `gs-sign-${randomUUID()}`);
  mkdirSync(folder, { mode: 0o700 });
  try {
    const keyFile = join(folder, "key");
    writeFileSync(keyFile, `${key.trimEnd()}\n`, { mode: 0o600 });
    return await work(keyFile, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function sshKeygen(args: string[]): Promise<string> {
  try {
    const options = { cwd: "/", env: TOOLS, timeout: DEADLINE_MS };
    return (await promisify(execFile)("ssh-keygen", args, options)).stdout;
  } catch (cause) {
    throw fail("internal", "The signing key cannot be used; it should be an SSH private key without a passphrase.", {
      cause,
    });
  }
}
