// A certificate request (PKCS #10, RFC 2986) for a P-256 key, written by hand: the library for it costs an idle process 10 MB.
import { createPrivateKey, createPublicKey, sign } from "node:crypto";

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const UTF8_STRING = 0x0c;
const SEQUENCE = 0x30;
const SET = 0x31;
/** `[0] attributes`, of which there are none. */
const NO_ATTRIBUTES = Buffer.from([0xa0, 0x00]);
const COMMON_NAME = Buffer.from("0603550403", "hex");
const ECDSA_WITH_SHA256 = Buffer.from("06082a8648ce3d040302", "hex");

/** One value in DER (X.690): its tag, its length, its content. */
function der(tag: number, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const long = body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 0xff];
  const bytes = body.length < 128 ? [body.length] : long;
  return Buffer.concat([Buffer.from([tag, ...bytes]), body]);
}

/** The request in PEM, signed by the key; `name` is its common name. */
export function makeCertificateRequest(keyPem: string, name: string): string {
  const key = createPrivateKey(keyPem);
  const publicKey = createPublicKey(keyPem).export({ type: "spki", format: "der" });
  const subject = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from(name)))));
  const info = der(SEQUENCE, der(INTEGER, Buffer.from([0])), subject, publicKey, NO_ATTRIBUTES);
  const signature = der(BIT_STRING, Buffer.from([0]), sign("sha256", info, key));
  const base64 = der(SEQUENCE, info, der(SEQUENCE, ECDSA_WITH_SHA256), signature).toString("base64");
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join("\n")}\n-----END CERTIFICATE REQUEST-----\n`;
}
