// /api/v1/gitspaces/{id}/visibility and /shares: who else reaches a Gitspace's ports.
import {
  capVisibility,
  CreateShare,
  fail,
  type GitspaceId,
  mayBeShared,
  NewShare,
  PassUse,
  Port,
  PortVisibility,
  SetVisibility,
  Share,
  Sharing,
} from "@gitspaces/contracts";
import { makePass } from "@gitspaces/contracts/passes";
import { z } from "zod";
import { writeAccessDocument } from "../gateways/access-document.ts";
import type { App } from "../http.ts";
import { mostVisible } from "../shared.ts";
import { endPass, tellOfPass } from "../sharing.ts";
import type { PassRow } from "../store/sharing.ts";
import type { UserRow } from "../store/users.ts";
import { type ApiParts, visible } from "./gitspaces.ts";
import { passUseView, shareView } from "./pass-views.ts";
import { GitspaceParams, Nothing, problems } from "./schemas.ts";

const MOST_LINKS = 100;
const PortParams = GitspaceParams.extend({ port: z.coerce.number().pipe(Port) });
const ShareParams = GitspaceParams.extend({ share_identifier: z.string().max(100) });

export function sharingRoutes(app: App, parts: ApiParts): void {
  const { store, clock, addresses } = parts;
  const tags = ["sharing"];
  const one = "/gitspaces/:gitspace_identifier";

  const visibilityView = (id: string, port: number): PortVisibility => {
    const chosen =
      store.visibility.ofGitspace({ gitspace: id }).find((row) => row.port === port)?.visibility ?? "private";
    return { port, url: addresses.gitspace(id, port), chosen, visibility: capVisibility(chosen, mostVisible(store)) };
  };
  const shared = (port: number): void => {
    if (mayBeShared(port)) return;
    throw fail("bad_request", `Port ${port} is a shell of its owner and stays private.`, { field: "port" });
  };
  const shareOf = (id: GitspaceId, share: string, user: UserRow): PassRow => {
    visible(parts, id, user);
    const row = store.passes.get({ id: share, kind: "link" });
    if (row?.gitspaces !== JSON.stringify([id])) throw fail("not_found", "There is no such link of this Gitspace.");
    return row;
  };

  app.get(
    `${one}/visibility`,
    {
      schema: {
        tags,
        summary: "The ports that were opened to others, and the most that may be",
        params: GitspaceParams,
        response: { 200: Sharing, ...problems },
      },
    },
    async (request) => {
      const id = request.params.gitspace_identifier;
      visible(parts, id, request.user);
      const ports = store.visibility.ofGitspace({ gitspace: id }).map(({ port }) => visibilityView(id, port));
      return { most: mostVisible(store), ports };
    },
  );

  app.put(
    `${one}/visibility/:port`,
    {
      schema: {
        tags,
        summary: "Open a port to one's organisation or to everybody, or make it private again",
        params: PortParams,
        body: SetVisibility,
        response: { 200: PortVisibility, ...problems },
      },
    },
    async (request) => {
      const { gitspace_identifier: id, port } = request.params;
      const { visibility } = request.body;
      visible(parts, id, request.user);
      if (visibility !== "private") shared(port);
      const most = mostVisible(store);
      if (capVisibility(visibility, most) !== visibility)
        throw fail("denied", `The administrator lets ports be ${most} at most.`, { field: "visibility" });
      store.step("VisibilitySet", () => {
        if (visibility === "private") store.visibility.forget({ gitspace: id, port });
        else store.visibility.set({ gitspace: id, port, visibility });
        writeAccessDocument(store, id);
      });
      return visibilityView(id, port);
    },
  );

  app.post(
    `${one}/shares`,
    {
      schema: {
        tags,
        summary: "Make a link that opens one port to whoever has it; it is shown once",
        params: GitspaceParams,
        body: CreateShare,
        response: { 201: NewShare, ...problems },
      },
    },
    async (request, reply) => {
      const id = request.params.gitspace_identifier;
      const { port, path, methods, expires_in_seconds, name } = request.body;
      const { owner } = visible(parts, id, request.user);
      shared(port);
      if (mostVisible(store) !== "public")
        throw fail("denied", "The administrator does not allow links: whoever has one passes, without an account.");
      const created = clock.now();
      const made = makePass("link");
      const row = {
        id: made.id,
        kind: "link",
        name,
        owner,
        made_by: request.user.identifier,
        made_with: request.token,
        gitspaces: JSON.stringify([id]),
        ports: JSON.stringify([port]),
        path,
        methods: methods === undefined ? null : JSON.stringify(methods),
        key: made.key,
        created,
        expires_at: created + expires_in_seconds * 1_000,
      } as const;
      store.step("ShareMade", () => {
        const present = store.passes.ofGitspace({ gitspace: id, owner, at: created });
        if (present.filter(({ kind }) => kind === "link").length >= MOST_LINKS)
          throw fail("quota_exceeded", `A Gitspace has ${MOST_LINKS} links at most. End some of them.`, {
            retry: "never",
          });
        store.passes.add(row);
        tellOfPass(store, row);
      });
      const view = shareView({ ...row, ended: null, requests: 0, last_used: null });
      const link = `${addresses.gitspace(id, port)}/.gitspaces/share#${made.text}`;
      return await reply.code(201).send({ ...view, link });
    },
  );

  app.get(
    `${one}/shares`,
    {
      schema: {
        tags,
        summary: "The links that are good now",
        params: GitspaceParams,
        response: { 200: z.array(Share), ...problems },
      },
    },
    async (request) => {
      const id = request.params.gitspace_identifier;
      const { owner } = visible(parts, id, request.user);
      const rows = store.passes.ofGitspace({ gitspace: id, owner, at: clock.now() });
      return rows.filter(({ kind }) => kind === "link").map(shareView);
    },
  );

  app.get(
    `${one}/shares/:share_identifier/uses`,
    {
      schema: {
        tags,
        summary: "What was done with a link, the newest first; also when it has ended",
        params: ShareParams,
        response: { 200: z.array(PassUse), ...problems },
      },
    },
    async (request) => {
      const { gitspace_identifier: id, share_identifier: share } = request.params;
      return store.passes.uses({ id: shareOf(id, share, request.user).id }).map(passUseView);
    },
  );

  app.delete(
    `${one}/shares/:share_identifier`,
    {
      schema: {
        tags,
        summary: "End a link; what runs over it is closed",
        params: ShareParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async (request, reply) => {
      const { gitspace_identifier: id, share_identifier: share } = request.params;
      const row = shareOf(id, share, request.user);
      store.step("ShareEnded", () => endPass(store, row, clock.now()));
      return await reply.code(204).send(null);
    },
  );
}
