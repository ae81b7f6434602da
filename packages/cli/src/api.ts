// The control plane's API as this command uses it: one method per call, answers checked on the way in.
import {
  type CreateGitspace,
  type CreateToken,
  type CreateUser,
  Gitspace,
  type GitspaceAction,
  GitspaceEvent,
  LogLine,
  NewPersonalToken,
  PersonalToken,
  SignInLink,
  User,
  fail,
} from "@gitspaces/contracts";
import { z } from "zod";
import { type Listening, listen } from "./event-stream.ts";
import { readJson, type Sending, type Server, send } from "./http.ts";

export type Api = ReturnType<typeof openApi>;

/** A client of this control plane. Every call is given up when the signal aborts; failures are thrown as the server says them. */
export function openApi(server: Server, signal: AbortSignal) {
  async function call<S extends z.ZodType>(schema: S, path: string, sending: Sending = {}): Promise<z.infer<S>> {
    const answer = await readJson(server, await send(server, path, { signal, ...sending }));
    const read = schema.safeParse(answer);
    if (read.success) return read.data;
    throw fail("internal", `${server.url} answered ${path} with something unexpected: ${z.prettifyError(read.error)}`, {
      retry: "never",
    });
  }
  const one = (id: string, rest = ""): string => `gitspaces/${encodeURIComponent(id)}${rest}`;
  return {
    server,
    createGitspace: (body: CreateGitspace) => call(Gitspace, "gitspaces", { body }),
    gitspaces: () => call(z.array(Gitspace), "gitspaces"),
    gitspace: (id: string) => call(Gitspace, one(id)),
    act: (id: string, action: z.infer<typeof GitspaceAction>["action"]) =>
      call(Gitspace, one(id, "/actions"), { body: { action } }),
    removeGitspace: (id: string) => call(z.unknown(), one(id), { method: "DELETE" }),
    events: (id: string) => call(z.array(GitspaceEvent), one(id, "/events")),
    eventStream: (id: string, listening: Listening) => listen(server, one(id, "/events/stream"), listening),
    logs: (id: string) => call(z.array(LogLine), one(id, "/logs")),
    logStream: (id: string, listening: Listening) => listen(server, one(id, "/logs/stream"), listening),
    signInLink: (id: string) => call(SignInLink, "sign-in-links", { body: { gitspace_identifier: id } }),
    user: () => call(User, "user"),
    createUser: (body: z.input<typeof CreateUser>) => call(User, "users", { body }),
    createToken: (body: z.input<typeof CreateToken>) => call(NewPersonalToken, "tokens", { body }),
    tokens: () => call(z.array(PersonalToken), "tokens"),
    revokeToken: (id: string) => call(z.unknown(), `tokens/${encodeURIComponent(id)}`, { method: "DELETE" }),
  };
}
