// The delegate's token: a compact JWE (dir, A128GCM) whose key is the account's secret; see RFC 7516.
import { fail } from "@gitspaces/contracts";
import { jwtDecrypt } from "jose";

/** The 16 bytes of a delegate secret: 32 hex digits, or the base64 of those. @throws {FailureError} `bad_request` otherwise. */
export function delegateKey(secret: string): Buffer {
  const hex = isKey(secret) ? secret : Buffer.from(secret, "base64").toString("latin1").trim();
  if (!isKey(hex)) throw fail("bad_request", "The delegate token should be 32 hex digits, plain or base64-encoded.");
  return Buffer.from(hex, "hex");
}

function isKey(text: string): boolean {
  return /^[0-9a-f]{32}$/i.test(text);
}

/** Checks an `Authorization: Delegate <token>` header. @throws {FailureError} `denied`, without saying which part was wrong. */
export async function checkDelegateToken(header: string | undefined, key: Buffer, accountId: string): Promise<void> {
  const [, token] = /^Delegate (\S+)$/.exec(header ?? "") ?? [];
  if (token === undefined) throw fail("denied", "A delegate's request carries `Authorization: Delegate <token>`.");
  await jwtDecrypt(token, key, {
    keyManagementAlgorithms: ["dir"],
    contentEncryptionAlgorithms: ["A128GCM"],
    issuer: "issuer",
    audience: "audience",
    subject: accountId,
    requiredClaims: ["exp"],
    clockTolerance: 60,
  }).catch((cause: unknown) => {
    throw fail("denied", "The delegate's token is not valid for this account, or has expired.", { cause });
  });
}
