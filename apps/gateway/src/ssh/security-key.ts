// Proofs of keys that live on a security key (OpenSSH's PROTOCOL.u2f): the device signs a hash of what is to be proven, and says whether
// somebody touched it.
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";

const TOUCHED = 0x01;

/** Whether the device behind the key signed `proven`, and somebody was there. `signature` is what follows its type and length. */
export function isProvenByDevice(key: Buffer, signature: Buffer, proven: Buffer): boolean {
  try {
    const fields = readFields(key);
    const type = fields[0]?.toString("latin1");
    const application = fields.at(-1) ?? Buffer.alloc(0);
    const isEd25519 = type === "sk-ssh-ed25519@openssh.com";
    if (!isEd25519 && type !== "sk-ecdsa-sha2-nistp256@openssh.com") return false;
    if (fields.length !== (isEd25519 ? 3 : 4)) return false;
    if (!isEd25519 && fields[1]?.toString("latin1") !== "nistp256") return false;
    const tail = signature.subarray(-5);
    const raw = signature.subarray(0, -5);
    if (tail.length !== 5 || ((tail[0] ?? 0) & TOUCHED) === 0) return false;
    const signed = Buffer.concat([sha256(application), tail, sha256(proven)]);
    if (isEd25519) return verify(null, signed, ed25519(fields[1]), raw);
    return verify("sha256", signed, { key: p256(fields[2]), dsaEncoding: "ieee-p1363" }, fixed(readFields(raw)));
  } catch {
    return false;
  }
}

function sha256(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function ed25519(point: Buffer = Buffer.alloc(0)): KeyObject {
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: point.toString("base64url") }, format: "jwk" });
}

function p256(point: Buffer = Buffer.alloc(0)): KeyObject {
  if (point.length !== 65 || point[0] !== 4) throw new Error("the point should be whole");
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((half) => half.toString("base64url"));
  return createPublicKey({ key: { kty: "EC", crv: "P-256", x: x ?? "", y: y ?? "" }, format: "jwk" });
}

/** The two numbers of an ECDSA signature, 32 bytes each. */
function fixed(numbers: readonly Buffer[]): Buffer {
  if (numbers.length !== 2) throw new Error("there should be two numbers");
  return Buffer.concat(
    numbers.map((number) => {
      const plain = number.subarray(number.findIndex((byte) => byte !== 0));
      return Buffer.concat([Buffer.alloc(32 - plain.length), plain]);
    }),
  );
}

function readFields(bytes: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) throw new Error("a field is cut off");
    fields.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return fields;
}
