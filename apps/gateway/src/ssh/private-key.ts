// A new Ed25519 key in OpenSSH's own format (PROTOCOL.key), made without anything that speaks SSH: every gateway has one at its first start.
import { generateKeyPairSync, randomBytes } from "node:crypto";

const TYPE = "ssh-ed25519";
const BLOCK = 8;
const MAGIC = "openssh-key-v1\0";
/** A private key names its public half in the clear: after the magic come `none` twice, an empty field, and the number of keys. */
const PUBLIC_AT = MAGIC.length + (4 + 4) + (4 + 4) + 4 + 4;

/** The text of a private key file without a passphrase. */
export function makePrivateKey(): string {
  const { x = "", d = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const [open, secret] = [Buffer.from(x, "base64url"), Buffer.from(d, "base64url")];
  const check = randomBytes(4);
  const inner = Buffer.concat([
    check,
    check,
    field(TYPE),
    field(open),
    field(Buffer.concat([secret, open])),
    field(""),
  ]);
  const padding = Buffer.from(
    Array.from({ length: (BLOCK - (inner.length % BLOCK)) % BLOCK }, (_, index) => index + 1),
  );
  const whole = Buffer.concat([
    Buffer.from(MAGIC),
    field("none"),
    field("none"),
    field(""),
    number(1),
    field(Buffer.concat([field(TYPE), field(open)])),
    field(Buffer.concat([inner, padding])),
  ]);
  const lines = whole.toString("base64").match(/.{1,70}/g) ?? [];
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join("\n");
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function field(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([number(bytes.length), bytes]);
}

/** The public half of such a file, as `type blob`. @throws {Error} when it is none. */
export function publicLine(secret: string): string {
  const [, base64 = ""] = /^-----BEGIN OPENSSH PRIVATE KEY-----\n([^-]+)-----END/.exec(secret) ?? [];
  const bytes = Buffer.from(base64, "base64");
  if (!bytes.subarray(0, MAGIC.length).equals(Buffer.from(MAGIC))) throw new Error("this is no OpenSSH private key");
  const length = bytes.readUInt32BE(PUBLIC_AT);
  const blob = bytes.subarray(PUBLIC_AT + 4, PUBLIC_AT + 4 + length);
  const type = blob.toString("latin1", 4, 4 + blob.readUInt32BE(0));
  return `${type} ${blob.toString("base64")}`;
}
