// Sign-in on a Gitspace's host: off to the control plane with a nonce, back with a one-time code, then a clean URL.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { fail, parse, redisKeys, SignInCode, type Target } from "@gitspaces/contracts";
import { jwtVerify, createLocalJWKSet, type JSONWebKeySet } from "jose";
import { type CookieNames, cookieValues, setCookie } from "./cookies.ts";

const NONCE_SECONDS = 600;
/** Longer than any code lives, so that a spent one stays spent until it is worthless. */
const SPENT_SECONDS = 120;
const NONCE_PATH = "/.gitspaces";

/** Marks a code as spent; answers false when it already was. */
export type SpendCode = (key: string, seconds: number) => Promise<boolean>;
export type Departure = { location: string; cookie: string };

/** Where a browser without a session goes, and the nonce it takes along. */
export function departure(controlPlanePublicUrl: string, hostname: string, url: string, names: CookieNames): Departure {
  const nonce = randomBytes(32).toString("base64url");
  const query = new URLSearchParams({ host: hostname, nonce: digest(nonce), to: safeTarget(url) });
  return {
    location: `${controlPlanePublicUrl}/sign-in/gitspace?${query.toString()}`,
    cookie: setCookie(names.nonce, nonce, { path: NONCE_PATH, maxAgeSeconds: NONCE_SECONDS, secure: names.secure }),
  };
}

/** A `Set-Cookie` that forgets the nonce. */
export function forgetNonce(names: CookieNames): string {
  return setCookie(names.nonce, "", { path: NONCE_PATH, maxAgeSeconds: 0, secure: names.secure });
}

function digest(nonce: string): string {
  return createHash("sha256").update(nonce).digest("base64url");
}

/** A path and query of this very host; anything that could lead elsewhere, or back into sign-in, becomes `/`. */
export function safeTarget(to: string | null | undefined): string {
  // oxlint-disable-next-line no-control-regex
  if (to == null || !/^\/(?!\/)/.test(to) || /[\\\u0000-\u0020\u007f]/.test(to)) return "/";
  if (!URL.canParse(to, "http://here.invalid")) return "/";
  const url = new URL(to, "http://here.invalid");
  if (url.origin !== "http://here.invalid" || url.pathname.startsWith("//")) return "/";
  if (url.pathname === "/.gitspaces" || url.pathname.startsWith("/.gitspaces/")) return "/";
  return url.pathname + url.search;
}

type Arrival = { code: string; target: Target; cookieHeader: string | undefined; names: CookieNames };
type Issuer = { issuer: string; keys: JSONWebKeySet; spend: SpendCode; now: number };

/**
 * Redeems a code: the control plane's, for this Gitspace, for this browser, and never used before.
 * @throws {FailureError} `denied` when any of that is not so, `internal` (later) when nobody can tell whether it was used.
 */
export async function redeem(
  { code, target, cookieHeader, names }: Arrival,
  { issuer, keys, spend, now }: Issuer,
): Promise<SignInCode> {
  const verified = await jwtVerify(code, createLocalJWKSet(keys), {
    algorithms: ["EdDSA"],
    typ: "gitspaces-code+jwt",
    issuer: [issuer, `${issuer}/`],
    audience: target.gitspaceId,
    maxTokenAge: SPENT_SECONDS - 10,
    clockTolerance: 5,
    currentDate: new Date(now),
  }).catch((cause: unknown) => {
    throw fail("denied", "This sign-in link is not valid any more, or was made for another Gitspace.", { cause });
  });
  const claims = parse(SignInCode, verified.payload, "sign-in code");
  if (!cookieValues(cookieHeader, names.nonce).some((nonce) => same(digest(nonce), claims.nonce))) {
    throw fail("denied", "This sign-in was begun in another browser or tab.");
  }
  const isFirst = await spend(redisKeys.code(claims.jti), SPENT_SECONDS).catch((cause: unknown) => {
    throw fail(
      "internal",
      "Nobody can sign in at the moment, because the gateway can not tell used codes from new ones. Try again soon.",
      {
        retry: "later",
        cause,
      },
    );
  });
  if (!isFirst) throw fail("denied", "This sign-in link was used before; each works once.");
  return claims;
}

function same(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}
