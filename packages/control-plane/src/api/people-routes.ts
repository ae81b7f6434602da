// /api/v1: who I am, users, personal tokens, the page's session and sign-in links.
import {
  CreateSignInLink,
  CreateToken,
  CreateUser,
  fail,
  NewPersonalToken,
  PersonalToken,
  SignInLink,
  User,
} from "@gitspaces/contracts";
import { v7 as uuidv7 } from "uuid";
import { z } from "zod";
import { randomSecret, sha256 } from "../hash.ts";
import type { App } from "../http.ts";
import { endAllOfToken } from "../revocation.ts";
import type { UserRow } from "../store/users.ts";
import { type ApiParts, visible } from "./gitspaces.ts";
import { Nothing, problems } from "./schemas.ts";
import { tokenView, userView } from "./views.ts";

const LINK_MS = 600_000;
const DAY_MS = 86_400_000;

export function peopleRoutes(app: App, parts: ApiParts): void {
  const { store, clock } = parts;
  const tags = ["people"];

  app.get("/user", { schema: { tags, summary: "Who I am", response: { 200: User, ...problems } } }, async (request) =>
    userView(request.user),
  );

  app.get(
    "/users",
    { schema: { tags, summary: "All users; for administrators", response: { 200: z.array(User), ...problems } } },
    async (request) => {
      requireAdmin(request.user);
      return store.users.list().map(userView);
    },
  );

  app.post(
    "/users",
    {
      schema: {
        tags,
        summary: "Add a user; for administrators",
        body: CreateUser,
        response: { 201: User, ...problems },
      },
    },
    async (request, reply) => {
      requireAdmin(request.user);
      if (parts.singleUser) {
        const reason = "Gitspaces run unisolated here and can read each other's files, so there is one user only.";
        throw fail("denied", `${reason} Run them isolated (as root, with namespaces) to add users.`);
      }
      const { identifier } = request.body;
      const row: UserRow = {
        ...request.body,
        role: "user",
        organisation: request.user.organisation,
        created: clock.now(),
      };
      if (store.step("UserMade", () => store.users.add({ ...row })) === 0) {
        throw fail("conflict", `There is a user ${identifier} already.`, { field: "identifier", retry: "never" });
      }
      return await reply.code(201).send(userView(row));
    },
  );

  app.get(
    "/tokens",
    { schema: { tags, summary: "One's personal tokens", response: { 200: z.array(PersonalToken), ...problems } } },
    async (request) => store.tokens.ofUser({ user: request.user.identifier }).map(tokenView),
  );

  app.post(
    "/tokens",
    {
      schema: {
        tags,
        summary: "Make a personal token; it is shown once",
        body: CreateToken,
        response: { 201: NewPersonalToken, ...problems },
      },
    },
    async (request, reply) => {
      const { name, expires_in_days, user_identifier: asked } = request.body;
      const user = asked ?? request.user.identifier;
      if (user !== request.user.identifier) requireAdmin(request.user);
      if (store.users.get({ identifier: user }) === undefined) {
        throw fail("not_found", `There is no user ${user}.`, { field: "user_identifier" });
      }
      const token = `gsp_${randomSecret()}`;
      const created = clock.now();
      const row = {
        identifier: uuidv7(),
        name,
        user,
        hash: sha256(token),
        created,
        expires_at: created + expires_in_days * DAY_MS,
      };
      store.step("TokenMade", () => store.tokens.put(row));
      return await reply.code(201).send({ ...tokenView({ ...row, last_used: null }), token });
    },
  );

  app.delete(
    "/tokens/:token_identifier",
    {
      schema: {
        tags,
        summary: "Revoke a personal token; every session that began with it ends",
        params: z.object({ token_identifier: z.string().max(100) }),
        response: { 204: Nothing, ...problems },
      },
    },
    async (request, reply) => {
      const identifier = request.params.token_identifier;
      const token = store.tokens.get({ identifier });
      if (token === undefined || (token.user !== request.user.identifier && request.user.role !== "admin")) {
        throw fail("not_found", "There is no such token.");
      }
      store.step("TokenRevoked", () => {
        store.tokens.remove({ identifier });
        endAllOfToken(store, identifier, clock.now());
      });
      return await reply.code(204).send(null);
    },
  );

  app.post(
    "/sign-in-links",
    {
      schema: {
        tags,
        summary: "Make a link that signs its opener in once, within ten minutes",
        body: CreateSignInLink,
        response: { 201: SignInLink, ...problems },
      },
    },
    async (request, reply) => {
      const gitspace = request.body.gitspace_identifier ?? null;
      if (gitspace !== null) visible(parts, gitspace, request.user);
      const code = randomSecret();
      const expires = clock.now() + LINK_MS;
      store.step("LinkMade", () =>
        store.links.add({
          hash: sha256(code),
          user: request.user.identifier,
          gitspace,
          expires_at: expires,
          token: request.token,
        }),
      );
      return await reply.code(201).send({ sign_in_url: `${parts.publicUrl}/sign-in/${code}`, expires_at: expires });
    },
  );
}

/** @throws {FailureError} `denied` for everybody else. */
export function requireAdmin(user: UserRow): void {
  if (user.role !== "admin") throw fail("denied", "Only an administrator may do this.");
}
