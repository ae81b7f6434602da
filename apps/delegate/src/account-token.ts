// What the delegate shows the control plane: a short-lived token sealed with the account's secret, which itself never leaves.
import { randomUUID } from "node:crypto";
import { type Clock, systemClock } from "@gitspaces/daemon";
import { fail } from "@gitspaces/contracts";
import { EncryptJWT } from "jose";

const LIFE_MS = 20 * 60_000;
const FRESH_MS = 10 * 60_000;

export type AccountToken = {
  /** The token to send now; a new one is made when half the life of the last is over. */
  current(): Promise<string>;
  /** Has the next `current` make a new one, after the control plane refused the last. */
  renew(): void;
};

/**
 * The 16 bytes of an account secret: 32 hexadecimal characters, as they are or in base64, as installers show them.
 * @throws {FailureError} `bad_request` when it is neither.
 */
export function readAccountSecret(text: string): Uint8Array {
  const decoded = Buffer.from(text, "base64").toString("latin1").trim();
  const hex = [text, decoded].find((each) => /^[0-9a-f]{32}$/i.test(each));
  if (hex === undefined) {
    throw fail("bad_request", "The delegate token should be 32 hexadecimal characters, or the base64 of them.", {
      field: "delegateTokenFile",
    });
  }
  return Buffer.from(hex, "hex");
}

/** Mints tokens for one account (JWE, dir, A128GCM). */
export function makeAccountToken(accountId: string, secret: string, clock: Clock = systemClock): AccountToken {
  const key = readAccountSecret(secret);
  let minted: { at: number; token: Promise<string> } | undefined;

  function mint(at: number): Promise<string> {
    return new EncryptJWT({})
      .setProtectedHeader({ alg: "dir", enc: "A128GCM", typ: "JWT" })
      .setSubject(accountId)
      .setIssuer("issuer")
      .setAudience(["audience"])
      .setIssuedAt(Math.floor(at / 1_000))
      .setExpirationTime(Math.floor((at + LIFE_MS) / 1_000))
      .setJti(randomUUID())
      .encrypt(key);
  }

  return {
    current() {
      const now = clock.now();
      if (minted === undefined || now - minted.at >= FRESH_MS || now < minted.at)
        minted = { at: now, token: mint(now) };
      return minted.token;
    },
    renew() {
      minted = undefined;
    },
  };
}
