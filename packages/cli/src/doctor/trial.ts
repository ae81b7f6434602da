// The whole way, walked once: a small Gitspace is made, started and deleted again.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CreateGitspace, FailureError, fail } from "@gitspaces/contracts";
import { type Api, openApi } from "../api.ts";
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

/**
 * Makes, starts and deletes it, telling its timeline on stderr. The delete is asked for whatever happens in between, also when
 * nobody wants to wait any more; where the installation keeps deleted files for a while, it keeps these too.
 */
export async function tryStart(
  api: Api,
  terminal: Terminal,
  request: CreateGitspace,
  signal: AbortSignal,
): Promise<Finding[]> {
  const began = performance.now();
  const findings: Finding[] = [];
  let id: string | undefined;
  try {
    ({ identifier: id } = await api.createGitspace(request));
    const from = await api.act(id, "start");
    const ended = await waitFor(api, terminal, { goal: "running", from, afterEvent: 0, timeoutMs: TRIAL_MS, signal });
    findings.push(
      ended.failure === undefined
        ? well("start", `a Gitspace ran after ${Math.round(performance.now() - began)} ms`)
        : wrong("start", ended.failure.message, "Look at the part of the way that its events name."),
    );
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    findings.push(wrong("start", error.failure.message, "Look at what is wrong above first."));
  } finally {
    if (id !== undefined) findings.push(...(await removed(api, id)));
  }
  return findings;
}

async function removed({ server }: Api, id: string): Promise<Finding[]> {
  try {
    // Not the caller's signal: whoever gives up a wait does not want to keep what was made for it.
    await openApi(server, new AbortController().signal).removeGitspace(id);
    return [];
  } catch (error) {
    return [wrong("start", `${id} is left: ${(error as Error).message}`, `Delete it with: gitspaces delete ${id}`)];
  }
}
