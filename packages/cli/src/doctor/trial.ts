// The whole way, walked once: a small Gitspace is made, started and deleted again.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CreateGitspace, FailureError, fail } from "@gitspaces/contracts";
import type { Api } from "../api.ts";
import type { Terminal } from "../terminal.ts";
import { waitFor } from "../waiting.ts";
import { type Finding, well, wrong } from "./finding.ts";
import type { Installation } from "./local-daemons.ts";

const TRIAL_MS = 180_000;

/** The repository to try: the one that is named, else the sample of a local installation. @throws {FailureError} `bad_request` */
export function trialOf(url: string | true, installation: Installation | undefined): CreateGitspace {
  if (url !== true) return { code_repo_url: url, name: "doctor" };
  const port = installation?.ports["sample"];
  if (installation === undefined || port === undefined)
    throw fail("bad_request", "Say which repository to try: gitspaces doctor --start URL");
  try {
    const token = readFileSync(join(installation.data, "secrets", "sample-token"), "utf8").trim();
    const repository = `http://${installation.host_address}:${port}/hello.git`;
    return { code_repo_url: repository, code_repo_token: token, name: "doctor" };
  } catch (cause) {
    throw fail("bad_request", "The sample repository is not there. Say one: gitspaces doctor --start URL", { cause });
  }
}

/** Makes, starts and deletes it, telling its timeline on stderr. Never leaves it behind, whatever happens in between. */
export async function tryStart(
  api: Api,
  terminal: Terminal,
  request: CreateGitspace,
  signal: AbortSignal,
): Promise<Finding> {
  const began = performance.now();
  const made = await api.createGitspace(request);
  const id = made.identifier;
  let outcome: Finding;
  try {
    const from = await api.act(id, "start");
    const ended = await waitFor(api, terminal, { goal: "running", from, afterEvent: 0, timeoutMs: TRIAL_MS, signal });
    outcome =
      ended.failure === undefined
        ? well("start", `a Gitspace ran after ${Math.round(performance.now() - began)} ms`)
        : wrong("start", ended.failure.message, "Look at the part of the way that its events name.");
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    outcome = wrong("start", error.failure.message, "Look at what is wrong above first.");
  } finally {
    await api.removeGitspace(id);
  }
  return outcome;
}
