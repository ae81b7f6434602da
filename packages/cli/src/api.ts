// The control plane's API as this command uses it: one method per call, answers checked on the way in.
import {
  AccessToken,
  type CreateAccessToken,
  type CreateShare,
  ListeningPorts,
  NewAccessToken,
  NewShare,
  PassUse,
  PortVisibility,
  Share,
  Sharing,
  type Visibility,
  type CreateGitspace,
  type CreateSshKey,
  type CreateToken,
  type CreateUser,
  Gitspace,
  type GitspaceAction,
  GitspaceActivity,
  GitspaceEvent,
  InstallationHealth,
  LogLine,
  NewPersonalToken,
  PersonalToken,
  SignInLink,
  SshKey,
  SshPlace,
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
  /** What is on all pages, each once: pages shift while new things come. */
  async function pages<S extends z.ZodType>(
    schema: S,
    path: string,
    key: (each: z.infer<S>) => unknown,
  ): Promise<z.infer<S>[]> {
    const found = new Map<unknown, z.infer<S>>();
    for (let page = 1, more = true; more; page += 1) {
      const read = await call(z.array(schema), `${path}${path.includes("?") ? "&" : "?"}page=${page}&limit=100`);
      more = read.length >= 100 && read.some((each) => !found.has(key(each)));
      for (const each of read) found.set(key(each), each);
    }
    return [...found.values()];
  }
  const one = (id: string, rest = ""): string => `gitspaces/${encodeURIComponent(id)}${rest}`;
  return {
    server,
    createGitspace: (body: CreateGitspace) => call(Gitspace, "gitspaces", { body }),
    /** Every Gitspace of this person, however many pages they fill; or those that are deleted and still kept. */
    gitspaces: ({ deleted = false } = {}) =>
      pages(Gitspace, deleted ? "gitspaces?deleted=true" : "gitspaces", ({ identifier }) => identifier),
    gitspace: (id: string) => call(Gitspace, one(id)),
    act: (id: string, action: z.infer<typeof GitspaceAction>["action"]) =>
      call(Gitspace, one(id, "/actions"), { body: { action } }),
    activity: (id: string) => call(GitspaceActivity, one(id, "/activity")),
    setAutoStop: (id: string, minutes: number | null) =>
      call(Gitspace, one(id), { method: "PATCH", body: { auto_stop_minutes: minutes } }),
    removeGitspace: (id: string) => call(z.unknown(), one(id), { method: "DELETE" }),
    /** The newest events, the oldest of them first. */
    latestEvents: async (id: string) =>
      (await call(z.array(GitspaceEvent), one(id, "/events?limit=100"))).toSorted((a, b) => a.id - b.id),
    /** Every event, the oldest first. */
    events: async (id: string) =>
      (await pages(GitspaceEvent, one(id, "/events"), (event) => event.id)).toSorted((a, b) => a.id - b.id),
    eventStream: (id: string, listening: Listening) => listen(server, one(id, "/events/stream"), listening),
    /** Every line of the log behind a position, in order. */
    async logs(id: string, after = 0): Promise<LogLine[]> {
      const found: LogLine[] = [];
      for (let last = after; ; ) {
        const lines = (await call(z.array(LogLine), one(id, `/logs?after=${last}`))).filter(({ pos }) => pos > last);
        if (lines.length === 0) return found;
        found.push(...lines);
        last = lines.at(-1)?.pos ?? last;
      }
    },
    logStream: (id: string, listening: Listening) => listen(server, one(id, "/logs/stream"), listening),
    signInLink: (id: string) => call(SignInLink, "sign-in-links", { body: { gitspace_identifier: id } }),
    /** Asks every hop by tasks that go and come back, which may take ten seconds. */
    installationHealth: () => call(InstallationHealth, "installation/health", { timeoutMs: 10_000 }),
    user: () => call(User, "user"),
    createUser: (body: z.input<typeof CreateUser>) => call(User, "users", { body }),
    createToken: (body: z.input<typeof CreateToken>) => call(NewPersonalToken, "tokens", { body }),
    tokens: () => call(z.array(PersonalToken), "tokens"),
    sshKeys: () => call(z.array(SshKey), "user/ssh-keys"),
    addSshKey: (body: z.input<typeof CreateSshKey>) => call(SshKey, "user/ssh-keys", { body }),
    removeSshKey: (id: string) => call(z.unknown(), `user/ssh-keys/${encodeURIComponent(id)}`, { method: "DELETE" }),
    sshPlace: () => call(SshPlace, "ssh"),
    ports: (id: string) => call(ListeningPorts, one(id, "/ports"), { timeoutMs: 10_000 }),
    /** The ports that were opened to others. */
    sharing: (id: string) => call(Sharing, one(id, "/visibility")),
    setVisibility: (id: string, port: number, visibility: Visibility) =>
      call(PortVisibility, one(id, `/visibility/${port}`), { method: "PUT", body: { visibility } }),
    share: (id: string, body: CreateShare) => call(NewShare, one(id, "/shares"), { body }),
    shares: (id: string) => call(z.array(Share), one(id, "/shares")),
    shareUses: (id: string, link: string) =>
      call(z.array(PassUse), one(id, `/shares/${encodeURIComponent(link)}/uses`)),
    unshare: (id: string, link: string) =>
      call(z.unknown(), one(id, `/shares/${encodeURIComponent(link)}`), { method: "DELETE" }),
    createAccessToken: (body: CreateAccessToken) => call(NewAccessToken, "access-tokens", { body }),
    accessTokens: () => call(z.array(AccessToken), "access-tokens"),
    revokeAccessToken: (id: string) =>
      call(z.unknown(), `access-tokens/${encodeURIComponent(id)}`, { method: "DELETE" }),
    revokeToken: (id: string) => call(z.unknown(), `tokens/${encodeURIComponent(id)}`, { method: "DELETE" }),
  };
}
