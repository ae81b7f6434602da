// A new Ed25519 key in OpenSSH's own format (PROTOCOL.key), made without anything that speaks SSH: every gateway has one at its first start.
import { generateKeyPairSync, randomBytes } from "node:crypto";

const TYPE = "ssh-ed25519";
const BLOCK = 8;

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
    Buffer.from("openssh-key-v1\0"),
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
