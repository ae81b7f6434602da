// The real OpenSSH client, with a key of its own and nothing of this machine's configuration.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";

export type Said = { code: number | null; out: string; err: string };
export type SshKey = { file: string; publicKey: string };

/** Makes a key pair in a folder. */
export function makeSshKey(folder: string, name: string, type = "ed25519"): SshKey {
  const file = join(folder, name);
  execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-f", file]);
  return { file, publicKey: readFileSync(`${file}.pub`, "utf8").split(" ").slice(0, 2).join(" ") };
}

/** The options every call begins with. */
export function sshOptions(key: SshKey, more: Record<string, string> = {}): string[] {
  const all = {
    IdentityFile: key.file,
    IdentitiesOnly: "yes",
    IdentityAgent: "none",
    BatchMode: "yes",
    StrictHostKeyChecking: "no",
    UserKnownHostsFile: "/dev/null",
    GlobalKnownHostsFile: "/dev/null",
    LogLevel: "ERROR",
    ...more,
  };
  return ["-F", "none", ...Object.entries(all).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
}

/** Runs a program of OpenSSH to its end. */
export async function tell(program: string, args: readonly string[], input = ""): Promise<Said> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {}).end(input);
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ]);
  return { code, out, err };
}
