// What a browser has after it opened a link: a cookie for that host, signed with the gateways' key. The link's own secret is not in it.
import type { Clock } from "@gitspaces/daemon";
import { type AccessDocument, Pass, PathPrefix } from "@gitspaces/contracts";
import { jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import type { Session } from "../admission.ts";
import { linkCookies } from "../cookies.ts";
import { isInOneSpelling } from "../one-spelling.ts";
import { sessionOfPass } from "./pass-reader.ts";

const TYPE = "gitspaces-link+jwt";
const REMEMBERED = 5_000;
const Claims = z.object({
  jti: z.string(),
  aud: z.string(),
  iat: z.number(),
  exp: z.number(),
  key: Pass.shape.key,
  path: PathPrefix,
  methods: Pass.shape.methods,
});
type Claims = z.infer<typeof Claims>;

export class LinkSessions {
  readonly #key: Uint8Array;
  readonly #installation: string;
  readonly #secure: boolean;
  readonly #clock: Clock;
  readonly #known = new Map<string, Claims>();

  constructor(key: Uint8Array, { installation, secure }: { installation: string; secure: boolean }, clock: Clock) {
    this.#key = key;
    this.#installation = installation;
    this.#secure = secure;
    this.#clock = clock;
  }

  /** A cookie's value for what a link opens, good for as long as the link. */
  async begin({ hostname, expiresAt, pass }: Session): Promise<string> {
    const now = this.#clock.now() / 1_000;
    return new SignJWT({ key: pass?.key, path: pass?.path, ...(pass?.methods && { methods: pass.methods }) })
      .setProtectedHeader({ alg: "HS256", typ: TYPE })
      .setJti(pass?.id ?? "")
      .setAudience(hostname)
      .setIssuedAt(Math.floor(now))
      .setExpirationTime(Math.floor(expiresAt / 1_000))
      .sign(this.#key);
  }

  /** The sessions of links that a request's cookies prove for this host, as far as the document still has the links. */
  async read(cookieHeader: string | undefined, hostname: string, document: AccessDocument): Promise<Session[]> {
    const sessions: Session[] = [];
    for (const token of linkCookies(cookieHeader, this.#installation, this.#secure)) {
      const claims = this.#known.get(token) ?? (await this.#verify(token));
      if (claims?.aud !== hostname || claims.exp * 1_000 <= this.#clock.now()) continue;
      const { jti: id, key, path, methods, exp, iat } = claims;
      const grant = { id, kind: "link" as const, key, path, methods, expiresAt: exp * 1_000 };
      sessions.push(sessionOfPass(document, grant, hostname, iat * 1_000));
    }
    return sessions;
  }

  async #verify(token: string): Promise<Claims | undefined> {
    if (!isInOneSpelling(token)) return undefined;
    try {
      const options = { algorithms: ["HS256"], typ: TYPE, currentDate: new Date(this.#clock.now()) };
      const claims = Claims.parse((await jwtVerify(token, this.#key, options)).payload);
      if (this.#known.size >= REMEMBERED) this.#known.clear();
      this.#known.set(token, claims);
      return claims;
    } catch {
      return undefined;
    }
  }
}
