// Secrets that we hand out are stored as hashes, and compared without telling how much was right.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** SHA-256, hex. Enough for secrets of 256 random bits. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** 256 random bits, base64url. */
export function randomSecret(): string {
  return randomBytes(32).toString("base64url");
}

export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest());
}
