// /api/v1/access-tokens: what programs send to reach their owner's Gitspaces.
import {
  AccessToken,
  CreateAccessToken,
  fail,
  mayBeShared,
  IDE_PORT,
  NewAccessToken,
  PassUse,
} from "@gitspaces/contracts";
import { makePass } from "@gitspaces/contracts/passes";
import { z } from "zod";
import type { App } from "../http.ts";
import { endPass, tellOfPass } from "../sharing.ts";
import type { PassRow } from "../store/sharing.ts";
import type { UserRow } from "../store/users.ts";
import { type ApiParts, visible } from "./gitspaces.ts";
import { accessTokenView, passUseView } from "./pass-views.ts";
import { Nothing, problems } from "./schemas.ts";

const MOST_TOKENS = 50;
const DAY_MS = 86_400_000;
const TokenParams = z.object({ token_identifier: z.string().max(100) });

export function accessTokenRoutes(app: App, parts: ApiParts): void {
  const { store, clock } = parts;
  const tags = ["sharing"];

  const tokenOf = (id: string, { identifier, role }: UserRow): PassRow => {
    const row = store.passes.get({ id, kind: "token" });
    if (row === undefined || (row.owner !== identifier && role !== "admin"))
      throw fail("not_found", "There is no such access token.");
    return row;
  };

  app.post(
    "/access-tokens",
    {
      schema: {
        tags,
        summary: "Make a token by which a program reaches one's Gitspaces; it is shown once",
        body: CreateAccessToken,
        response: { 201: NewAccessToken, ...problems },
      },
    },
    async (request, reply) => {
      const { name, gitspace_identifiers: gitspaces, ports, expires_in_days } = request.body;
      const owner = request.user.identifier;
      for (const id of gitspaces ?? []) {
        if (visible(parts, id, request.user).owner !== owner)
          throw fail("not_found", `You have no Gitspace ${id}.`, { field: "gitspace_identifiers" });
      }
      const wrong = ports?.find((port) => !mayBeShared(port) && port !== IDE_PORT);
      if (wrong !== undefined)
        throw fail("bad_request", `Port ${wrong} is reached by SSH and its keys alone.`, { field: "ports" });
      const created = clock.now();
      const made = makePass("token");
      const row = {
        id: made.id,
        kind: "token",
        name,
        owner,
        made_by: owner,
        made_with: request.token,
        gitspaces: gitspaces === undefined ? null : JSON.stringify(gitspaces),
        ports: ports === undefined ? null : JSON.stringify(ports),
        path: "/",
        methods: null,
        key: made.key,
        created,
        expires_at: created + expires_in_days * DAY_MS,
      } as const;
      store.step("AccessTokenMade", () => {
        if (store.passes.tokensOf({ owner, at: created }).length >= MOST_TOKENS)
          throw fail("quota_exceeded", `You have ${MOST_TOKENS} access tokens. Revoke some of them.`, {
            retry: "never",
          });
        store.passes.add(row);
        tellOfPass(store, row);
      });
      const view = accessTokenView({ ...row, ended: null, requests: 0, last_used: null });
      return await reply.code(201).send({ ...view, token: made.text });
    },
  );

  app.get(
    "/access-tokens",
    { schema: { tags, summary: "One's access tokens", response: { 200: z.array(AccessToken), ...problems } } },
    async (request) => store.passes.tokensOf({ owner: request.user.identifier, at: clock.now() }).map(accessTokenView),
  );

  app.get(
    "/access-tokens/:token_identifier/uses",
    {
      schema: {
        tags,
        summary: "What was done with an access token, the newest first",
        params: TokenParams,
        response: { 200: z.array(PassUse), ...problems },
      },
    },
    async (request) =>
      store.passes.uses({ id: tokenOf(request.params.token_identifier, request.user).id }).map(passUseView),
  );

  app.delete(
    "/access-tokens/:token_identifier",
    {
      schema: {
        tags,
        summary: "Revoke an access token; what runs by it is closed",
        params: TokenParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async (request, reply) => {
      const row = tokenOf(request.params.token_identifier, request.user);
      store.step("AccessTokenRevoked", () => endPass(store, row, clock.now()));
      return await reply.code(204).send(null);
    },
  );
}
