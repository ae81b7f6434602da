// The public API as a program uses it.
import type { Gitspace, GitspaceEvent, LogLine } from "@gitspaces/contracts";

export type Api = ReturnType<typeof apiClient>;

/** A client with a personal token. A failure is thrown with the problem's own words. */
export function apiClient(base: string, token: string) {
  async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(new URL(`/api/v1/${path}`, base), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  async function until(id: string, states: string[], withinMs = 90_000): Promise<Gitspace> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const gitspace = await call<Gitspace>("GET", `gitspaces/${id}`);
      if (states.includes(gitspace.state)) return gitspace;
      if (Date.now() > deadline || (gitspace.state === "error" && !states.includes("error"))) {
        const reason = gitspace.instance?.error_message ?? "";
        throw new Error(`${id} is ${gitspace.state}, expected ${states.join(" or ")}: ${reason}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  return {
    call,
    until,
    async start(id: string): Promise<Gitspace> {
      await call("POST", `gitspaces/${id}/actions`, { action: "start" });
      return await until(id, ["running"]);
    },
    async stop(id: string): Promise<Gitspace> {
      await call("POST", `gitspaces/${id}/actions`, { action: "stop" });
      return await until(id, ["stopped"]);
    },
    /** Makes a Gitspace on a repository and starts it. */
    async create(url: string, more: Record<string, unknown> = {}): Promise<Gitspace> {
      const { identifier } = await call<Gitspace>("POST", "gitspaces", { code_repo_url: url, ...more });
      return await this.start(identifier);
    },
    events: (id: string) => call<GitspaceEvent[]>("GET", `gitspaces/${id}/events?limit=100`),
    log: (id: string) => call<LogLine[]>("GET", `gitspaces/${id}/logs`),
    signInLink: async (id: string) =>
      (await call<{ sign_in_url: string }>("POST", "sign-in-links", { gitspace_identifier: id })).sign_in_url,
  };
}
