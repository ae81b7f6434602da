// A Chromium that believes a test's own certificate authority, as a company's browsers believe the company's.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A home folder whose NSS database, which Chromium reads, trusts a PEM certificate for servers; disposal removes it. */
export function trustingHome(certificate: string): { home: string } & Disposable {
  const home = mkdtempSync(join(tmpdir(), "trust-"));
  const database = join(home, ".pki", "nssdb");
  mkdirSync(database, { recursive: true });
  const file = join(home, "ca.pem");
  writeFileSync(file, certificate);
  const at = ["-d", `sql:${database}`];
  execFileSync("certutil", [...at, "-N", "--empty-password"]);
  execFileSync("certutil", [...at, "-A", "-t", "C,,", "-n", "test", "-i", file]);
  return { home, [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }) };
}
