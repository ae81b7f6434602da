// The key that signs tasks, access documents and sign-in codes.
import { fail } from "@gitspaces/contracts";
import { CompactSign, type CryptoKey, importJWK, type JWK, SignJWT } from "jose";
import { z } from "zod";

const PrivateJwk = z.looseObject({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  kid: z.string().min(1),
  x: z.string(),
  d: z.string(),
});

export type SigningKey = {
  key: CryptoKey;
  kid: string;
  publicKeys: { keys: { kty: string; [member: string]: unknown }[] };
  signDocument(document: unknown): Promise<string>;
  signCode(claims: Record<string, unknown>): Promise<string>;
};

/** `text` is a private Ed25519 JWK with a `kid`. @throws {FailureError} `bad_request` when it is not. */
export async function openSigningKey(text: string): Promise<SigningKey> {
  const jwk = readJwk(text);
  const key = (await importJWK(jwk as JWK, "EdDSA")) as CryptoKey;
  const { kty, crv, x, kid } = jwk;
  const header = { alg: "EdDSA", kid };
  return {
    key,
    kid,
    publicKeys: { keys: [{ kty, crv, x, kid, use: "sig", alg: "EdDSA" }] },
    signDocument: (document) =>
      new CompactSign(new TextEncoder().encode(JSON.stringify(document)))
        .setProtectedHeader({ ...header, typ: "gitspaces-access+jws" })
        .sign(key),
    signCode: (claims) => new SignJWT(claims).setProtectedHeader({ ...header, typ: "gitspaces-code+jwt" }).sign(key),
  };
}

function readJwk(text: string): z.infer<typeof PrivateJwk> {
  try {
    return PrivateJwk.parse(JSON.parse(text));
  } catch (cause) {
    throw fail("bad_request", "The key in signingKeyFile should be a private Ed25519 JWK (RFC 8037) with a kid.", {
      cause,
    });
  }
}
