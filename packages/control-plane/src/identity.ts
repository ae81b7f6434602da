// Who is asking: a personal token, or the page's session cookie with an exact Origin on everything that changes something.
import { fail, type FailureError } from "@gitspaces/contracts";
import type { Clock } from "@gitspaces/daemon";
import type { FastifyReply, FastifyRequest } from "fastify";
import { randomSecret, sha256 } from "./hash.ts";
import { endSession } from "./revocation.ts";
import type { Store } from "./store/store.ts";
import type { SessionRow, TokenRow, UserRow } from "./store/users.ts";

export type Person = { user: UserRow; token: string | null };

declare module "fastify" {
  interface FastifyRequest {
    /** Set on every route behind `Identity.require`, as are the next two. */
    user: UserRow;
    /** The personal token at the root of it; null for sessions from before this was noted. */
    token: string | null;
    /** Whether the token or session is still good: what lasts looks again. */
    isSignedIn?: () => boolean;
  }
}

const SESSION_MS = 12 * 3_600_000;
const NOTE_USE_EVERY_MS = 300_000;

/** `details.authenticate` becomes a 401. */
function unknown(message: string): FailureError {
  return fail("denied", message, { details: { authenticate: "Bearer" } });
}

export class Identity {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #publicUrl: string;
  readonly cookieName: string;

  constructor(store: Store, clock: Clock, publicUrl: string) {
    this.#store = store;
    this.#clock = clock;
    this.#publicUrl = publicUrl;
    this.cookieName = publicUrl.startsWith("https:") ? "__Host-gs-ui" : "gs-ui";
  }

  /** Notes on the request who asks. @throws {FailureError} `denied` when nobody does, or a browser was sent by another site. */
  require(request: FastifyRequest): void {
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      const [, text = ""] = /^Bearer (\S+)$/i.exec(authorization) ?? [];
      Object.assign(request, this.byToken(text), { isSignedIn: () => this.#goodToken(text) !== undefined });
      return;
    }
    const person = this.bySession(request);
    if (person === undefined) throw unknown("Sign in, or send `Authorization: Bearer <token>`.");
    if (request.method !== "GET" && request.method !== "HEAD") this.requireOrigin(request);
    Object.assign(request, person, { isSignedIn: () => this.#session(request) !== undefined });
  }

  /** @throws {FailureError} `denied` unless the browser says that the request comes from our own page. */
  requireOrigin(request: FastifyRequest): void {
    if (request.headers.origin === this.#publicUrl) return;
    throw fail("denied", `A browser may do this only from ${this.#publicUrl}.`);
  }

  /** Who a personal token belongs to. @throws {FailureError} `denied` when it is none, or has expired. */
  byToken(text: string): Person {
    const token = this.#store.tokens.byHash({ hash: sha256(text) });
    const at = this.#clock.now();
    const user = token === undefined ? undefined : this.#store.users.get({ identifier: token.user });
    if (token === undefined || user === undefined) throw unknown("This token is not known.");
    if (token.expires_at <= at) throw unknown("This token has expired; make a new one.");
    if (at - (token.last_used ?? 0) > NOTE_USE_EVERY_MS) {
      this.#store.step("TokenUsed", () => this.#store.tokens.used({ identifier: token.identifier, at }));
    }
    return { user, token: token.identifier };
  }

  #goodToken(text: string): TokenRow | undefined {
    const token = this.#store.tokens.byHash({ hash: sha256(text) });
    return token === undefined || token.expires_at <= this.#clock.now() ? undefined : token;
  }

  /** Who the page's session belongs to, if the browser has one; `session` is its hash. */
  bySession(request: FastifyRequest): (Person & { session: string }) | undefined {
    const session = this.#session(request);
    const user = session === undefined ? undefined : this.#store.users.get({ identifier: session.user });
    return session === undefined || user === undefined
      ? undefined
      : { user, token: session.token, session: session.hash };
  }

  #session(request: FastifyRequest): SessionRow | undefined {
    const cookie = request.cookies[this.cookieName];
    if (cookie === undefined) return undefined;
    return this.#store.sessions.get({ hash: sha256(cookie), at: this.#clock.now() });
  }

  /** Gives the browser a session. */
  begin(reply: FastifyReply, { user, token }: Person): void {
    const secret = randomSecret();
    const created = this.#clock.now();
    this.#store.step("SessionBegun", () =>
      this.#store.sessions.add({
        hash: sha256(secret),
        user: user.identifier,
        created,
        expires_at: created + SESSION_MS,
        token,
      }),
    );
    void reply.setCookie(this.cookieName, secret, this.#cookie());
  }

  /** Ends the browser's session, here and on every Gitspace's host it led to. */
  end(request: FastifyRequest, reply: FastifyReply): void {
    const cookie = request.cookies[this.cookieName];
    if (cookie !== undefined)
      this.#store.step("SessionEnded", () => endSession(this.#store, sha256(cookie), this.#clock.now()));
    void reply.clearCookie(this.cookieName, this.#cookie());
  }

  #cookie() {
    const secure = this.#publicUrl.startsWith("https:");
    return { path: "/", httpOnly: true, sameSite: "lax", secure, maxAge: SESSION_MS / 1_000 } as const;
  }
}
