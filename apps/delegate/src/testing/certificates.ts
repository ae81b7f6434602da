// Certificates of a small installation for tests, made by the openssl command.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificateName, type Role } from "@gitspaces/contracts";
import type { TlsIdentity } from "@gitspaces/daemon/certificates";

export type TestCa = {
  /** PEM of the authority itself. */
  certificate: string;
  issue(role: Role, name: string): TlsIdentity;
  /** A certificate for a server of this host name. */
  forHost(host: string): { key: string; cert: string };
} & Disposable;

export function makeCa(installation = "local-test"): TestCa {
  const folder = mkdtempSync(join(tmpdir(), "delegate-ca-"));
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "ignore"] });
  const key = (file: string) =>
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file);
  key(at("ca.key"));
  openssl("req", "-x509", "-new", "-key", at("ca.key"), "-subj", "/CN=test CA", "-days", "2", "-out", at("ca.pem"));
  const read = (name: string) => readFileSync(at(name), "utf8");
  const sign = (name: string, subjectAltName: string) => {
    key(at("key.pem"));
    openssl("req", "-new", "-key", at("key.pem"), "-subj", `/CN=${name}`, "-out", at("csr.pem"));
    writeFileSync(at("extensions"), `subjectAltName=${subjectAltName}\n`);
    const ca = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2"];
    openssl("x509", "-req", "-in", at("csr.pem"), ...ca, "-extfile", at("extensions"), "-out", at("certificate.pem"));
    return { key: read("key.pem"), cert: read("certificate.pem") };
  };
  return {
    certificate: read("ca.pem"),
    issue(role, name) {
      const { key: ownKey, cert: certificate } = sign(name, `URI:${certificateName(installation, role, name)}`);
      return { key: ownKey, certificate, ca: read("ca.pem"), installation, controlPlaneKeys: { keys: [] } };
    },
    forHost: (host) => sign(host, `DNS:${host}`),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Puts an identity where a delegate of this data folder keeps the one it enrolled for. */
export function storeIdentity(dataFolder: string, { key, ...answer }: TlsIdentity): void {
  const folder = join(dataFolder, "delegate");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "key.pem"), key, { mode: 0o600 });
  writeFileSync(join(folder, "certificate.json"), JSON.stringify(answer));
}
