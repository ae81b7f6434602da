// The gateway's own SSH host keys: made once, kept in its data folder, the same after every restart.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { makePrivateKey, publicLine } from "./private-key.ts";

/** `secret` is a private key in OpenSSH's format, `line` its public half as `type blob`. */
export type HostKey = { secret: string; line: string };

const names = ["host_ed25519"] as const;
/** The keys of the gateway whose own folder this is; those that lack are made. @throws {FailureError} `internal` for a file that holds none. */
export function sshHostKeysOf(folder: string): HostKey[] {
  const own = join(folder, "ssh");
  mkdirSync(own, { recursive: true, mode: 0o700 });
  return names.map((name) => {
    const file = join(own, name);
    return readKey(read(file) ?? write(file, makePrivateKey()), file);
  });
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** A gateway that starts at the same time may be faster: its key is the one. */
function write(file: string, secret: string): string {
  try {
    writeFileSync(file, secret, { mode: 0o600, flag: "wx", flush: true });
    return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return readFileSync(file, "utf8");
  }
}

function readKey(secret: string, file: string): HostKey {
  try {
    return { secret, line: publicLine(secret) };
  } catch (cause) {
    throw fail("internal", `${file} holds no SSH host key. Put the right one back, or remove it for a new one.`, {
      cause,
    });
  }
}
