// Of the spellings that decoders take for the same signed token (RFC 7515, base64url of RFC 4648 section 3.5) one is good, so that a
// token with any bit changed is another token, and none.

/** Whether every part of a compact token is spelled as its bytes are. */
export function isInOneSpelling(token: string): boolean {
  return token.split(".").every((part) => Buffer.from(part, "base64url").toString("base64url") === part);
}
