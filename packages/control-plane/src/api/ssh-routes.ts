// /api/v1: a person's SSH keys, and where SSH is reached.
import { CreateSshKey, fail, SshKey, SshPlace } from "@gitspaces/contracts";
import { z } from "zod";
import type { App } from "../http.ts";
import { addSshKey, removeSshKey } from "../ssh-keys.ts";
import { sshPlace } from "../gateways/ssh-place.ts";
import type { SshKeyRow } from "../store/ssh-keys.ts";
import type { ApiParts } from "./gitspaces.ts";
import { Nothing, problems } from "./schemas.ts";

export function sshRoutes(app: App, parts: ApiParts): void {
  const { store, clock, addresses } = parts;
  const tags = ["ssh"];

  app.get(
    "/user/ssh-keys",
    { schema: { tags, summary: "One's SSH keys", response: { 200: z.array(SshKey), ...problems } } },
    async (request) => store.sshKeys.ofUser({ user: request.user.identifier }).map(sshKeyView),
  );

  app.post(
    "/user/ssh-keys",
    {
      schema: {
        tags,
        summary: "Add an SSH key: it opens all of one's Gitspaces at once; the same key again is answered 200",
        body: CreateSshKey,
        response: { 200: SshKey, 201: SshKey, ...problems },
      },
    },
    async (request, reply) => {
      const { row, isNew } = addSshKey(parts, request.user, request.body);
      return await reply.code(isNew ? 201 : 200).send(sshKeyView(row));
    },
  );

  app.delete(
    "/user/ssh-keys/:ssh_key_identifier",
    {
      schema: {
        tags,
        summary: "Remove an SSH key; sessions that were opened with it end",
        params: z.object({ ssh_key_identifier: z.string().max(100) }),
        response: { 204: Nothing, ...problems },
      },
    },
    async (request, reply) => {
      removeSshKey(parts, request.user, request.params.ssh_key_identifier);
      return await reply.code(204).send(null);
    },
  );

  app.get(
    "/ssh",
    {
      schema: {
        tags,
        summary: "Where SSH is reached, and the host keys to expect there",
        response: { 200: SshPlace, ...problems },
      },
    },
    async () => {
      const place = sshPlace(store, addresses, clock.now());
      if (place === undefined)
        throw fail("not_found", "No gateway has said yet that it takes SSH. Is one running?", { retry: "later" });
      return place;
    },
  );
}

function sshKeyView({ identifier, name, type, fingerprint, public_key, created }: SshKeyRow): SshKey {
  return { identifier, name, type, fingerprint, public_key, created };
}
