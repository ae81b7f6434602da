// Makes a Gitspace and starts it: people who make one want to work in it.
import { FailureError, fail, parse, RepositoryUrl } from "@gitspaces/contracts";
import type { CliContext, Ending } from "../program.ts";
import { showGitspace } from "../gitspace-view.ts";
import { plain } from "../terminal.ts";
import { readToken } from "../token-file.ts";
import { waitFor } from "../waiting.ts";
import { signedIn } from "./session.ts";

export type CreateOptions = {
  autoStop?: number | null;
  branch?: string;
  devcontainer?: string;
  depth?: number;
  filter?: "blob:none";
  name?: string;
  pool?: string;
  gitTokenFile?: string;
  gitUser?: string;
  wait?: boolean;
  timeout: number;
};

/** Creates and starts a Gitspace; with `wait`, ends when it runs. */
export async function create(context: CliContext, url: string, options: CreateOptions): Promise<Ending> {
  const { terminal, signal } = context;
  parse(RepositoryUrl, url, "URL");
  const token = options.gitTokenFile === undefined ? undefined : readToken(options.gitTokenFile);
  const api = signedIn(context);
  const made = await api.createGitspace({
    code_repo_url: url,
    ...(options.autoStop == null ? {} : { auto_stop_minutes: options.autoStop }),
    ...(options.branch === undefined ? {} : { branch: options.branch }),
    ...(options.devcontainer === undefined ? {} : { devcontainer_path: options.devcontainer }),
    ...(options.depth === undefined ? {} : { clone_depth: options.depth }),
    ...(options.filter === undefined ? {} : { clone_filter: options.filter }),
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.pool === undefined ? {} : { resource_identifier: options.pool }),
    ...(token === undefined ? {} : { code_repo_token: token }),
    ...(options.gitUser === undefined ? {} : { code_repo_user: options.gitUser }),
  });
  const id = made.identifier;
  const from = await api.act(id, "start").catch((error: unknown) => {
    if (!(error instanceof FailureError)) throw error;
    const { code, message, retry } = error.failure;
    throw fail(code, `${id} is made, but not started: ${message} Start it with: gitspaces start ${id}`, {
      retry,
      cause: error,
    });
  });
  terminal.err(`${id}  ${plain(from.code_repo_url)}${from.branch === null ? "" : ` @ ${plain(from.branch)}`}`);
  if (options.wait !== true) {
    terminal.err(`It is starting. Follow it with: gitspaces events ${id} --follow`);
    return showGitspace(terminal, from);
  }
  const ended = await waitFor(api, terminal, {
    goal: "running",
    from,
    afterEvent: 0,
    timeoutMs: options.timeout * 1_000,
    signal,
  });
  if (ended.failure !== undefined || ended.gitspace === undefined) return ended as Ending;
  return showGitspace(terminal, ended.gitspace);
}
