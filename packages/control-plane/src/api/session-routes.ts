// The page's session: a token for a cookie, and out again.
import { User } from "@gitspaces/contracts";
import { z } from "zod";
import type { Attempts } from "../attempts.ts";
import type { App } from "../http.ts";
import type { Identity } from "../identity.ts";
import { Nothing, problems } from "./schemas.ts";
import { userView } from "./views.ts";

const SignIn = z.strictObject({ token: z.string().min(1).max(500) });

export function sessionRoutes(app: App, identity: Identity, attempts: Attempts): void {
  const tags = ["people"];
  app.post(
    "/session",
    {
      schema: {
        tags,
        summary: "Sign the browser in with a personal token",
        body: SignIn,
        response: { 200: User, ...problems },
      },
    },
    async (request, reply) => {
      identity.requireOrigin(request);
      const person = attempts.guard(request.ip, () => identity.byToken(request.body.token));
      identity.begin(reply, person);
      return userView(person.user);
    },
  );

  app.delete(
    "/session",
    { schema: { tags, summary: "Sign the browser out", response: { 204: Nothing, ...problems } } },
    async (request, reply) => {
      identity.requireOrigin(request);
      identity.end(request, reply);
      return await reply.code(204).send(null);
    },
  );
}
