// up.json in the data folder: how clients on this machine find what runs.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { providerKinds } from "./provider-choice.ts";

export const UpFile = z.object({
  ui: z.url(),
  data: z.string(),
  admin_token_file: z.string(),
  pid: z.int(),
  ports: z.record(z.string(), z.int()),
  started_at: z.number(),
  installation: z.string(),
  /** This machine as its Gitspaces reach it. */
  host_address: z.ipv4(),
  /** What its VMs are. */
  provider: z.enum(providerKinds),
  /** The Docker engine that carries them, as DOCKER_HOST has it. */
  engine: z.string().optional(),
});
export type UpFile = z.infer<typeof UpFile>;

const upFile = (dataFolder: string) => join(dataFolder, "up.json");

/** Writes up.json whole or not at all; it is removed when disposed. */
export function writeUpFile(content: UpFile): Disposable {
  const file = upFile(content.data);
  writeFileSync(`${file}.new`, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return { [Symbol.dispose]: () => removeUpFile(content.data) };
}

export function removeUpFile(dataFolder: string): void {
  rmSync(upFile(dataFolder), { force: true });
}

export function readUpFile(dataFolder: string): UpFile | undefined {
  try {
    return UpFile.safeParse(JSON.parse(readFileSync(upFile(dataFolder), "utf8"))).data;
  } catch {
    return undefined;
  }
}
