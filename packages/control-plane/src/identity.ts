// Who is asking: a personal token, or the page's session cookie with an exact Origin on everything that changes something.
import { fail, type FailureError } from "@gitspaces/contracts";
import type { Clock } from "@gitspaces/daemon";
import type { FastifyReply, FastifyRequest } from "fastify";
import { randomSecret, sha256 } from "./hash.ts";
import type { Store } from "./store/store.ts";
import type { UserRow } from "./store/users.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Set on every route behind `Identity.require`. */
    user: UserRow;
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

  /** The user who asks. @throws {FailureError} `denied` when nobody does, or a browser was sent by another site. */
  require(request: FastifyRequest): UserRow {
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      const [, token] = /^Bearer (\S+)$/i.exec(authorization) ?? [];
      return this.byToken(token ?? "");
    }
    const user = this.bySession(request);
    if (user === undefined) throw unknown("Sign in, or send `Authorization: Bearer <token>`.");
    if (request.method !== "GET" && request.method !== "HEAD") this.requireOrigin(request);
    return user;
  }

  /** @throws {FailureError} `denied` unless the browser says that the request comes from our own page. */
  requireOrigin(request: FastifyRequest): void {
    if (request.headers.origin === this.#publicUrl) return;
    throw fail("denied", `A browser may do this only from ${this.#publicUrl}.`);
  }

  /** The user of a personal token. @throws {FailureError} `denied` when it is none, or has expired. */
  byToken(text: string): UserRow {
    const token = this.#store.tokens.byHash({ hash: sha256(text) });
    const at = this.#clock.now();
    const user = token === undefined ? undefined : this.#store.users.get({ identifier: token.user });
    if (token === undefined || user === undefined) throw unknown("This token is not known.");
    if (token.expires_at <= at) throw unknown("This token has expired; make a new one.");
    if (at - (token.last_used ?? 0) > NOTE_USE_EVERY_MS) {
      this.#store.step(() => this.#store.tokens.used({ identifier: token.identifier, at }));
    }
    return user;
  }

  /** The user of the page's session, if the browser has one. */
  bySession(request: FastifyRequest): UserRow | undefined {
    const cookie = request.cookies[this.cookieName];
    if (cookie === undefined) return undefined;
    const session = this.#store.sessions.userOf({ hash: sha256(cookie), at: this.#clock.now() });
    return session === undefined ? undefined : this.#store.users.get({ identifier: session.user });
  }

  /** Gives the browser a session. */
  begin(reply: FastifyReply, user: UserRow): void {
    const secret = randomSecret();
    const created = this.#clock.now();
    this.#store.step(() =>
      this.#store.sessions.add({
        hash: sha256(secret),
        user: user.identifier,
        created,
        expires_at: created + SESSION_MS,
      }),
    );
    void reply.setCookie(this.cookieName, secret, this.#cookie());
  }

  /** Ends the browser's session. */
  end(request: FastifyRequest, reply: FastifyReply): void {
    const cookie = request.cookies[this.cookieName];
    if (cookie !== undefined) this.#store.step(() => this.#store.sessions.remove({ hash: sha256(cookie) }));
    void reply.clearCookie(this.cookieName, this.#cookie());
  }

  #cookie() {
    const secure = this.#publicUrl.startsWith("https:");
    return { path: "/", httpOnly: true, sameSite: "lax", secure, maxAge: SESSION_MS / 1_000 } as const;
  }
}
