// The gateway's own SSH host keys: made once, kept in its data folder, the same after every restart.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";
import ssh2 from "ssh2";

/** `secret` is a private key in OpenSSH's format, `line` its public half as `type blob`. */
export type HostKey = { secret: string; line: string };

const kinds = [
  { name: "host_ed25519", make: () => ssh2.utils.generateKeyPairSync("ed25519") },
  { name: "host_ecdsa", make: () => ssh2.utils.generateKeyPairSync("ecdsa", { bits: 256 }) },
] as const;

/** The keys of a folder, the preferred one first; those that lack are made. @throws {FailureError} `internal` for a file that holds none. */
export function hostKeysIn(folder: string): HostKey[] {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return kinds.map(({ name, make }) => {
    const file = join(folder, name);
    return readKey(read(file) ?? write(file, make().private), file);
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
  const key = ssh2.utils.parseKey(secret);
  if (key instanceof Error || !key.isPrivateKey())
    throw fail("internal", `${file} holds no SSH host key. Put the right one back, or remove it for a new one.`);
  return { secret, line: `${key.type} ${key.getPublicSSH().toString("base64")}` };
}
