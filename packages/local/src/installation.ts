// What an installation stays through its life: its id. And the pool file it starts with.
import { randomInt } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { VmGround } from "./vm-ground.ts";

/** The installation's id, made once per data folder, such as `local-k3v9x2`. */
export function keepInstallation(dataFolder: string): string {
  const file = join(dataFolder, "installation");
  if (!existsSync(file)) {
    const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
    const suffix = Array.from({ length: 6 }, () => alphabet[randomInt(alphabet.length)]).join("");
    writeFileSync(file, `local-${suffix}\n`, { mode: 0o600 });
  }
  return readFileSync(file, "utf8").trim();
}

/** The id of a data folder that was started before. */
export function installationOf(dataFolder: string): string | undefined {
  const file = join(dataFolder, "installation");
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
}

const poolFile = ({ kind, poolSpec }: VmGround) => `# Which VMs stand ready for Gitspaces.
version: "1"
instances:
  - name: default
    default: true
    type: ${kind}
    warm: 1 # how many wait, started, for the next Gitspace
    max: 20 # never more than this many, in use or waiting
${poolSpec}`;

/** The path of the data folder's pool.yml; written once, then its owner's to change. */
export function keepPoolFile(dataFolder: string, ground: VmGround): string {
  const file = join(dataFolder, "pool.yml");
  if (!existsSync(file)) writeFileSync(file, poolFile(ground));
  return file;
}
