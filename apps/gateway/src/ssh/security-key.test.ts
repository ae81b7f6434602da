// Security keys, with devices made of software: they sign as PROTOCOL.u2f says.
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { expect, test } from "vitest";
import { isProvenByDevice } from "./security-key.ts";

const field = (content: string | Buffer): Buffer => {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};
const sha256 = (bytes: string | Buffer): Buffer => createHash("sha256").update(bytes).digest();
const proven = Buffer.from("the session and the request");

type Device = { key: Buffer; touch: (flags: number, application?: string, what?: Buffer) => Buffer };

function signedBy(key: KeyObject, algorithm: string | null, encode: (raw: Buffer) => Buffer): Device["touch"] {
  return (flags, application = "ssh:", what = proven) => {
    const tail = Buffer.from([flags, 0, 0, 0, 7]);
    const data = Buffer.concat([sha256(application), tail, sha256(what)]);
    return Buffer.concat([encode(sign(algorithm, data, { key, dsaEncoding: "ieee-p1363" })), tail]);
  };
}

function ed25519(): Device {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const point = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const key = Buffer.concat([field("sk-ssh-ed25519@openssh.com"), field(point), field("ssh:")]);
  return { key, touch: signedBy(privateKey, null, (raw) => raw) };
}

function ecdsa(): Device {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
  const type = "sk-ecdsa-sha2-nistp256@openssh.com";
  const number = (bytes: Buffer): Buffer => field(Buffer.concat([Buffer.from([0]), bytes]));
  const encode = (raw: Buffer): Buffer => Buffer.concat([number(raw.subarray(0, 32)), number(raw.subarray(32))]);
  return {
    key: Buffer.concat([field(type), field("nistp256"), field(point), field("ssh:")]),
    touch: signedBy(privateKey, "sha256", encode),
  };
}

test.each([
  ["Ed25519", ed25519()],
  ["ECDSA", ecdsa()],
])("a touch of the device proves an %s key; nothing else does", (_name, { key, touch }) => {
  expect(isProvenByDevice(key, touch(1), proven)).toBe(true);
  expect(isProvenByDevice(key, touch(5), proven)).toBe(true);
  expect(isProvenByDevice(key, touch(0), proven)).toBe(false);
  expect(isProvenByDevice(key, touch(1, "web:"), proven)).toBe(false);
  expect(isProvenByDevice(key, touch(1, "ssh:", Buffer.from("another")), proven)).toBe(false);
  expect(isProvenByDevice(key, Buffer.alloc(0), proven)).toBe(false);
  for (let at = 0; at < key.length; at++) {
    const other = Buffer.from(key);
    other[at] = (other[at] ?? 0) ^ 1;
    expect(isProvenByDevice(other, touch(1), proven)).toBe(false);
  }
});
