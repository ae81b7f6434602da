// A small certificate authority for tests: just enough DER (X.690) for our certificates, and node:crypto to sign them.
import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { certificateName, type KeySet, type Role } from "@gitspaces/contracts";
import type { TlsIdentity } from "@gitspaces/daemon/certificates";

export type TestAuthority = {
  certificate: string;
  issue(role: Role, name: string, controlPlaneKeys?: KeySet): TlsIdentity;
};

/** A new authority for one installation. */
export function makeAuthority(installation: string): TestAuthority {
  const ca = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const certificate = makeCertificate({
    subject: "ca",
    key: ca.publicKey,
    signer: ca.privateKey,
    extensions: [basicConstraints(true)],
  });
  return {
    certificate,
    issue(role, name, controlPlaneKeys = { keys: [] }) {
      const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const uri = certificateName(installation, role, name);
      const issued = makeCertificate({
        subject: name,
        key: own.publicKey,
        signer: ca.privateKey,
        extensions: [basicConstraints(false), uriName(uri)],
      });
      const key = createPrivateKey(own.privateKey.export({ type: "pkcs8", format: "pem" })).export({
        type: "pkcs8",
        format: "pem",
      }) as string;
      return { key, certificate: issued, ca: certificate, installation, controlPlaneKeys };
    },
  };
}

type Wanted = { subject: string; key: KeyObject; signer: KeyObject; extensions: Buffer[] };
let serial = 1;

function makeCertificate({ subject, key, signer, extensions }: Wanted): string {
  const algorithm = sequence(oid("1.2.840.10045.4.3.2"));
  const body = sequence(
    tagged(0xa0, integer(2)),
    integer(serial++),
    algorithm,
    name("ca"),
    sequence(time(Date.now() - 60_000), time(Date.now() + 86_400_000)),
    name(subject),
    key.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", body, signer);
  const der = sequence(body, algorithm, tagged(0x03, Buffer.from([0]), signature));
  return `-----BEGIN CERTIFICATE-----\n${(der.toString("base64").match(/.{1,64}/g) ?? []).join("\n")}\n-----END CERTIFICATE-----\n`;
}

function basicConstraints(isAuthority: boolean): Buffer {
  const value = isAuthority ? sequence(tagged(0x01, Buffer.from([0xff]))) : sequence();
  return sequence(oid("2.5.29.19"), tagged(0x01, Buffer.from([0xff])), tagged(0x04, value));
}

function uriName(uri: string): Buffer {
  return sequence(oid("2.5.29.17"), tagged(0x04, sequence(tagged(0x86, Buffer.from(uri)))));
}

function name(commonName: string): Buffer {
  return sequence(tagged(0x31, sequence(oid("2.5.4.3"), tagged(0x0c, Buffer.from(commonName)))));
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replaceAll(/[-:T]/g, "").slice(2, 14);
  return tagged(0x17, Buffer.from(`${text}Z`));
}

function integer(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; rest > 0 || bytes.length === 0; rest >>= 8) bytes.unshift(rest & 0xff);
  if ((bytes[0] ?? 0) > 0x7f) bytes.unshift(0);
  return tagged(0x02, Buffer.from(bytes));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let left = part >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tagged(0x06, Buffer.from(bytes));
}

function sequence(...parts: Buffer[]): Buffer {
  return tagged(0x30, ...parts);
}

function tagged(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
