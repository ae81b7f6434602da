// The browser's way in: a one-time link gives it a session here, and a session gives it a one-time code for a Gitspace host.
import { type AccessDocument, fail, FailureError, httpStatus, IDE_PORT } from "@gitspaces/contracts";
import type { Clock } from "@gitspaces/daemon";
import type { FastifyError } from "fastify";
import { v7 as uuidv7 } from "uuid";
import { z } from "zod";
import { type Addresses, safePath } from "./addresses.ts";
import type { Attempts } from "./attempts.ts";
import { sha256 } from "./hash.ts";
import type { App } from "./http.ts";
import type { Identity } from "./identity.ts";
import type { SigningKey } from "./keys.ts";
import { problemPage } from "./problem-page.ts";
import type { Store } from "./store/store.ts";
import type { UserRow } from "./store/users.ts";

const CODE_SECONDS = 60;

const GatewayAsks = z.object({
  host: z.string().max(300),
  nonce: z.string().regex(/^[A-Za-z0-9_-]{43}$/, "should be a SHA-256, base64url"),
  to: z.string().max(4_096).optional(),
});

type Parts = {
  store: Store;
  clock: Clock;
  identity: Identity;
  attempts: Attempts;
  addresses: Addresses;
  signing: SigningKey;
  publicUrl: string;
};

/** Registers /sign-in. */
export async function signIn(root: App, parts: Parts): Promise<void> {
  const { store, clock, identity, attempts, addresses, signing, publicUrl } = parts;
  await root.register(async (scope) => {
    const app = scope as unknown as App;
    app.addHook("onRequest", async (_request, reply) => {
      void reply.header("referrer-policy", "no-referrer");
    });

    app.setErrorHandler((error: FastifyError, request, reply) => {
      const wantsPage = (request.headers.accept ?? "").includes("text/html");
      if (!wantsPage || !(error instanceof FailureError)) throw error;
      return reply
        .code(httpStatus(error.failure.code))
        .type("text/html; charset=utf-8")
        .send(problemPage(error.failure.message));
    });

    // A link is spent by opening it, so looking at it with HEAD must not.
    app.get(
      "/sign-in/:code",
      { schema: { params: z.object({ code: z.string() }) }, exposeHeadRoute: false },
      async (request, reply) => {
        const link = attempts.guard(request.ip, () => {
          const spent = store.step("LinkSpent", () => store.links.spend({ hash: sha256(request.params.code) }));
          if (spent === undefined || spent.expires_at <= clock.now()) {
            throw fail("expired", "This link was opened before, or is older than ten minutes. Make a new one.");
          }
          return spent;
        });
        const user = store.users.get({ identifier: link.user });
        if (user === undefined) throw fail("expired", "The user of this link is gone.");
        identity.begin(reply, { user, token: link.token });
        const to = link.gitspace === null ? `${publicUrl}/` : `${addresses.gitspace(link.gitspace)}/`;
        return await reply.redirect(to, 303);
      },
    );

    app.get("/sign-in/gitspace", { schema: { querystring: GatewayAsks } }, async (request, reply) => {
      const { host, nonce, to } = request.query;
      const asked = addresses.parse(host);
      if (asked === undefined) throw fail("bad_request", "This is not the host of a Gitspace.", { field: "host" });
      const person = identity.bySession(request);
      if (person === undefined)
        return await reply.redirect(`${publicUrl}/?next=${encodeURIComponent(request.url)}`, 303);
      const { gitspaceId, port } = asked.target;
      const { user, session } = person;
      if (!mayReach(store, gitspaceId, port, user)) throw fail("not_found", `There is no Gitspace ${gitspaceId}.`);
      const content = claims(gitspaceId, user, nonce);
      // The gateway's session has the id of its code: noted before there is one, so that it can be ended.
      store.step("VisitNoted", () =>
        store.visits.add({ id: content.jti, session, user: user.identifier, at: clock.now() }),
      );
      const code = await signing.signCode(content);
      const query = new URLSearchParams({ code, to: safePath(to) });
      return await reply.redirect(`${asked.origin}/.gitspaces/sign-in?${query.toString()}`, 303);
    });
  });

  function claims(gitspaceId: string, user: UserRow, nonce: string) {
    const iat = Math.floor(clock.now() / 1_000);
    const { identifier: sub, organisation } = user;
    return { iss: publicUrl, aud: gitspaceId, sub, organisation, nonce, jti: uuidv7(), iat, exp: iat + CODE_SECONDS };
  }
}

/** The owner reaches every port; others what its access document opens to them. */
function mayReach(store: Store, gitspaceId: string, port: number, user: UserRow): boolean {
  const row = store.gitspaces.get({ id: gitspaceId });
  if (row === undefined || row.deleted !== null) return false;
  if (row.owner === user.identifier) return true;
  const stored = store.access.ofGitspace({ gitspace: gitspaceId });
  if (stored === undefined || port === IDE_PORT) return false;
  const { ports, organisation } = JSON.parse(stored.body) as AccessDocument;
  const visibility = ports[String(port)] ?? "private";
  return visibility === "public" || (visibility === "organisation" && organisation === user.organisation);
}
