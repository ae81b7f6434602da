// The keys that may log in just now: those of the connections that are open. sshd reads the file anew for each of them.
import { renameSync, writeFileSync } from "node:fs";
import { fail } from "@gitspaces/contracts";

/** A public key without options, which would be obeyed, and without a comment. */
const plainKey =
  /^((?:sk-)?(?:ssh-ed25519|ecdsa-sha2-nistp256)(?:@openssh\.com)?|ecdsa-sha2-nistp(?:384|521)|ssh-rsa) [A-Za-z0-9+/]+={0,2}$/;
const MOST_KEYS = 64;

/** Reads the header of a CONNECT. @throws {FailureError} `bad_request` when it holds anything but public keys. */
export function readKeysHeader(header: string | string[] | undefined): string[] {
  if (typeof header !== "string")
    throw fail("denied", "SSH into a Gitspace goes by the gateway, which names the keys.");
  const lines = Buffer.from(header, "base64")
    .toString("latin1")
    .split("\n")
    .filter((line) => line !== "");
  if (lines.length === 0 || lines.length > MOST_KEYS || !lines.every((line) => plainKey.test(line)))
    throw fail("bad_request", `The keys of an SSH connection should be 1 to ${MOST_KEYS} OpenSSH public keys.`);
  return lines;
}

export class AuthorisedKeys {
  readonly #counts = new Map<string, number>();
  readonly #file: string;

  /** Nobody may log in yet. */
  constructor(file: string) {
    this.#file = file;
    this.#write();
  }

  /** Lets keys in until it is disposed. */
  admit(keys: readonly string[]): Disposable {
    for (const key of keys) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    this.#write();
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        for (const key of keys) {
          const left = (this.#counts.get(key) ?? 0) - 1;
          if (left > 0) this.#counts.set(key, left);
          else this.#counts.delete(key);
        }
        this.#write();
      },
    };
  }

  /** Public keys are no secret, and sshd may be another user's. As a whole or not at all: it may be reading. */
  #write(): void {
    writeFileSync(`${this.#file}.new`, [...this.#counts.keys()].map((key) => `${key}\n`).join(""), { mode: 0o644 });
    renameSync(`${this.#file}.new`, this.#file);
  }
}
