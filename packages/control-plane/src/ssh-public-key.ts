// A person's SSH public key as they paste it: one line of a .pub file, read strictly. What is not understood is refused.
import { createHash, createPublicKey } from "node:crypto";
import { fail } from "@gitspaces/contracts";
import ssh2 from "ssh2";

export type PublicKey = {
  type: string;
  /** Type and base64, without the comment. */
  line: string;
  /** `SHA256:...`, as OpenSSH writes it. */
  fingerprint: string;
  comment: string;
};

const MOST_RSA_BITS = 16_384;
const LEAST_RSA_BITS = 2_048;
/** A key on a security key signs like the plain one it is made of; behind that stands the application it is for. */
const plainTypes: Record<string, { plain: string; strings: number }> = {
  "ssh-ed25519": { plain: "ssh-ed25519", strings: 2 },
  "ssh-rsa": { plain: "ssh-rsa", strings: 3 },
  "ecdsa-sha2-nistp256": { plain: "ecdsa-sha2-nistp256", strings: 3 },
  "ecdsa-sha2-nistp384": { plain: "ecdsa-sha2-nistp384", strings: 3 },
  "ecdsa-sha2-nistp521": { plain: "ecdsa-sha2-nistp521", strings: 3 },
  "sk-ssh-ed25519@openssh.com": { plain: "ssh-ed25519", strings: 2 },
  "sk-ecdsa-sha2-nistp256@openssh.com": { plain: "ecdsa-sha2-nistp256", strings: 3 },
};

/** Reads one line of a .pub file. @throws {FailureError} `bad_request` that says what to give instead; no part of the text is repeated. */
export function readPublicKey(text: string): PublicKey {
  if (/-----BEGIN|PRIVATE KEY/.test(text))
    throw refuse("This is a private key, which nobody else should ever have. Give the file that ends in .pub.");
  const trimmed = text.trim();
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/.test(trimmed))
    throw refuse("The key should be one line, as the .pub file has it.");
  const [type = "", base64 = "", ...rest] = trimmed.split(/[ \t]+/);
  const kind = Object.hasOwn(plainTypes, type) ? plainTypes[type] : undefined;
  if (kind === undefined)
    throw refuse(
      `The line should begin with the key's type, without options. Types: ${Object.keys(plainTypes).join(", ")}.`,
    );
  const blob = Buffer.from(base64, "base64");
  if (blob.length === 0 || blob.toString("base64") !== base64)
    throw refuse("What follows the key's type is not base64. Is the line whole?");
  const strings = readStrings(blob);
  const isSecurityKey = type.startsWith("sk-");
  if (strings?.length !== kind.strings + Number(isSecurityKey) || strings[0]?.toString("latin1") !== type)
    throw refuse(`This is not a key of the type ${type}. Is the line whole?`);
  checkNumbers(kind.plain, strings.slice(1, kind.strings));
  const fingerprint = `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
  return { type, line: `${type} ${base64}`, fingerprint, comment: rest.join(" ").slice(0, 100) };
}

/** The numbers have to be a key: a point on its curve, a modulus of a sane size. */
function checkNumbers(plain: string, strings: Buffer[]): void {
  const blob = Buffer.concat([Buffer.from(plain), ...strings].flatMap((each) => [lengthOf(each), each]));
  const parsed = ssh2.utils.parseKey(`${plain} ${blob.toString("base64")}`);
  let bits: number | undefined;
  try {
    if (parsed instanceof Error) throw parsed;
    bits = createPublicKey(parsed.getPublicPEM()).asymmetricKeyDetails?.modulusLength;
  } catch {
    throw refuse(`The numbers in it are no key of the type ${plain}. Is the line whole?`);
  }
  if (plain !== "ssh-rsa") return;
  if (bits === undefined || bits < LEAST_RSA_BITS || bits > MOST_RSA_BITS)
    throw refuse(`An RSA key should have ${LEAST_RSA_BITS} to ${MOST_RSA_BITS} bits. Better: ssh-keygen -t ed25519`);
}

/** RFC 4251 section 5: each string is its length in four bytes, then itself. Nothing when they do not fill the blob exactly. */
function readStrings(blob: Buffer): Buffer[] | undefined {
  const found: Buffer[] = [];
  for (let at = 0; at < blob.length; ) {
    if (blob.length - at < 4) return undefined;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return undefined;
    found.push(blob.subarray(at + 4, end));
    at = end;
  }
  return found;
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return length;
}

function refuse(message: string): Error {
  return fail("bad_request", message, { field: "public_key", retry: "never" });
}
