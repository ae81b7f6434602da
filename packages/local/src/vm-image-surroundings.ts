// What an image takes from the machine that builds it: the certificates of a company, and its proxies for the build alone.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const systemFolder = "/usr/local/share/ca-certificates";
const systemBundle = "/etc/ssl/certs/ca-certificates.crt";
const proxyNames = ["http_proxy", "https_proxy", "no_proxy"] as const;

/** The certificates that this machine trusts beyond the usual: its own folder's and those of NODE_EXTRA_CA_CERTS. In PEM, in order. */
export function ownCertificates(env: NodeJS.ProcessEnv, folder = systemFolder): string[] {
  const files = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(".crt"))
        .map((name) => join(folder, name))
    : [];
  const extra = env["NODE_EXTRA_CA_CERTS"] ?? "";
  // The whole list of the system is in every image already.
  if (extra !== "" && extra !== systemBundle && existsSync(extra)) files.push(extra);
  const found = new Set<string>();
  for (const file of files) {
    const text = readFileSync(file, "utf8").replaceAll("\r\n", "\n");
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    for (const block of blocks) found.add(block);
  }
  return [...found].toSorted();
}

/** Writes each certificate to a file of its own in `folder`, where the system's tool expects one per file. */
export async function writeCertificates(folder: string, certificates: readonly string[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const certificate of certificates) {
    const name = createHash("sha256").update(certificate).digest("hex").slice(0, 16);
    await writeFile(join(folder, `${name}.crt`), `${certificate}\n`);
  }
}

/** Proxies for a build's own downloads. One that carries a password is left out: a build's arguments are no secret. */
export function proxyArguments(env: NodeJS.ProcessEnv): Record<string, string> {
  const given: Record<string, string> = {};
  for (const name of proxyNames) {
    const value = env[name] ?? env[name.toUpperCase()] ?? "";
    if (value === "" || hasPassword(value)) continue;
    given[name] = value;
    given[name.toUpperCase()] = value;
  }
  return given;
}

function hasPassword(value: string): boolean {
  return URL.canParse(value) && new URL(value).password !== "";
}
