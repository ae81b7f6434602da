// Which kind of VM a data folder has: asked for once, remembered, since its disks are of that kind.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";

export const providerKinds = ["process", "docker"] as const;
export type ProviderKind = (typeof providerKinds)[number];

const DEFAULT_KIND: ProviderKind = "process";
const file = (dataFolder: string) => join(dataFolder, "provider");

/** What a command line or variable names. @throws {FailureError} `bad_request` naming where it was said. */
export function readProviderKind(text: string, field: string): ProviderKind {
  const kind = providerKinds.find((each) => each === text);
  if (kind !== undefined) return kind;
  throw fail("bad_request", `${field} should be ${providerKinds.join(" or ")}, and is "${text}".`, { field });
}

/** The kind that a data folder was made with, if it was. */
export function rememberedProvider(dataFolder: string): ProviderKind | undefined {
  if (existsSync(file(dataFolder))) return readProviderKind(readFileSync(file(dataFolder), "utf8").trim(), "provider");
  // Homes without a note of their kind are of the time when there was one kind.
  return existsSync(join(dataFolder, "homes")) && readdirSync(join(dataFolder, "homes")).length > 0
    ? "process"
    : undefined;
}

/**
 * The kind to start with.
 * @throws {FailureError} `conflict` when another kind is asked for than its disks are of, or than its pool.yml names.
 */
export function chooseProvider(dataFolder: string, asked: ProviderKind | undefined): ProviderKind {
  const remembered = rememberedProvider(dataFolder);
  const kind = asked ?? remembered ?? DEFAULT_KIND;
  if (remembered !== undefined && remembered !== kind) {
    throw fail(
      "conflict",
      `The data folder ${dataFolder} holds VMs and disks of the provider ${remembered}. ` +
        `Start it with --provider ${remembered}, or give ${kind} a folder of its own with --data.`,
      { field: "provider" },
    );
  }
  expectPoolsOf(kind, join(dataFolder, "pool.yml"));
  return kind;
}

/** From now on the data folder's VMs and disks are of this kind. */
export function noteProvider(dataFolder: string, kind: ProviderKind): void {
  writeFileSync(file(dataFolder), `${kind}\n`, { mode: 0o600 });
}

/** The runner reads the file for good; this says early, and in the words of the command line, that it cannot fit. */
function expectPoolsOf(kind: ProviderKind, poolFile: string): void {
  if (!existsSync(poolFile)) return;
  const types = [...readFileSync(poolFile, "utf8").matchAll(/^[^#\n]*?\b"?type"?:\s*"?(process|docker)\b/gm)];
  const other = types.map(([, type]) => type).find((type) => type !== kind);
  if (other === undefined) return;
  throw fail(
    "conflict",
    `${poolFile} has a pool of type ${other}, and the provider is ${kind}. ` +
      `Start with --provider ${other}, or change the type in that file to ${kind}.`,
    { field: "provider" },
  );
}
