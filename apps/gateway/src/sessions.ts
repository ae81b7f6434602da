// Sessions are cookies that any gateway can read: signed with the shared key, for one exact host, three hours long.
import { jwtVerify, SignJWT } from "jose";
import type { Clock } from "@gitspaces/daemon";
import { z } from "zod";
import type { Session } from "./admission.ts";
import { cookieValues } from "./cookies.ts";
import { isInOneSpelling } from "./one-spelling.ts";

export const SESSION_SECONDS = 3 * 3_600;
const TYPE = "gitspaces-session+jwt";
const REMEMBERED = 5_000;
const Claims = z.object({
  sub: z.string(),
  org: z.string(),
  sid: z.string(),
  aud: z.string(),
  iat: z.number(),
  exp: z.number(),
});

export class Sessions {
  readonly #key: Uint8Array;
  readonly #cookieName: string;
  readonly #clock: Clock;
  /** Tokens that were checked, so that the hundred requests of a page check once. */
  readonly #known = new Map<string, Session>();

  constructor(key: Uint8Array, cookieName: string, clock: Clock) {
    this.#key = key;
    this.#cookieName = cookieName;
    this.#clock = clock;
  }

  /** A cookie value for a person on one host. */
  async begin(person: { user: string; organisation: string; sessionId: string }, hostname: string): Promise<string> {
    const now = this.#clock.now() / 1_000;
    return new SignJWT({ org: person.organisation, sid: person.sessionId })
      .setProtectedHeader({ alg: "HS256", typ: TYPE })
      .setSubject(person.user)
      .setAudience(hostname)
      .setIssuedAt(now)
      .setExpirationTime(Math.floor(now) + SESSION_SECONDS)
      .sign(this.#key);
  }

  /** The session that a request's cookies prove for this host, if any. */
  async read(cookieHeader: string | undefined, hostname: string): Promise<Session | undefined> {
    for (const token of cookieValues(cookieHeader, this.#cookieName)) {
      const session = this.#known.get(token) ?? (await this.#verify(token));
      if (session !== undefined && session.hostname === hostname && session.expiresAt > this.#clock.now())
        return session;
    }
    return undefined;
  }

  async #verify(token: string): Promise<Session | undefined> {
    if (!isInOneSpelling(token)) return undefined;
    try {
      const options = { algorithms: ["HS256"], typ: TYPE, currentDate: new Date(this.#clock.now()) };
      const { sub, org, sid, aud, iat, exp } = Claims.parse((await jwtVerify(token, this.#key, options)).payload);
      const session = {
        user: sub,
        organisation: org,
        sessionId: sid,
        hostname: aud,
        startedAt: iat * 1_000,
        expiresAt: exp * 1_000,
      };
      if (this.#known.size >= REMEMBERED) this.#known.clear();
      this.#known.set(token, session);
      return session;
    } catch {
      return undefined;
    }
  }
}
