// A key fingerprint as a provider label: labels take lower-case letters and digits only, so it is base32 (RFC 4648 section 6).
const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

/** A fingerprint (base64url) as a label. */
export function keyLabel(fingerprint: string): string {
  let bits = 0;
  let value = 0;
  let text = "";
  for (const byte of Buffer.from(fingerprint, "base64url")) {
    value = (value << 8) | byte;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += alphabet[(value >>> (bits - 5)) & 31];
    value &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + alphabet[(value << (5 - bits)) & 31];
}

/** The fingerprint (base64url) in a label, or nothing when it is not one of 32 bytes. */
export function fingerprintIn(label: string | undefined): string | undefined {
  if (label === undefined || !/^[a-z2-7]{52}$/.test(label)) return undefined;
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const letter of label) {
    value = (value << 5) | alphabet.indexOf(letter);
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((value >>> bits) & 255);
    value &= (1 << bits) - 1;
  }
  return Buffer.from(bytes).toString("base64url");
}
