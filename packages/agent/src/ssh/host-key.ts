// The SSH host key of a Gitspace: made once, on its home disk, so that people meet the same one after every stop.
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { run } from "../command.ts";
import { OWN_FOLDER } from "../home-disk.ts";

const MAKE_DEADLINE_MS = 10_000;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** `file` holds the private half; `publicKey` is `type blob`. */
export type HostKey = { file: string; publicKey: string };

/** The key, made when it is not there. @throws {FailureError} `internal` when it can not be made. */
export async function hostKeyOf(home: string): Promise<HostKey> {
  const folder = join(home, OWN_FOLDER, "ssh");
  const file = join(folder, "host_ed25519");
  if (!existsSync(file) || !existsSync(`${file}.pub`)) await make(folder, file);
  const [type, blob] = readFileSync(`${file}.pub`, "latin1").split(" ");
  return { file, publicKey: `${type} ${blob?.trim()}` };
}

async function make(folder: string, file: string): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const beside = `${file}.${randomUUID()}.new`;
  const ended = await run({
    program: "ssh-keygen",
    args: ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", beside],
    cwd: "/",
    env: { PATH: process.env["PATH"] ?? DEFAULT_PATH },
    signal: AbortSignal.timeout(MAKE_DEADLINE_MS),
  });
  if (ended.code !== 0)
    throw fail("internal", `The Gitspace's SSH host key could not be made: ${ended.output.at(-1) ?? "no ssh-keygen"}`);
  // The private half last: with it, the key is there.
  renameSync(`${beside}.pub`, `${file}.pub`);
  renameSync(beside, file);
}
