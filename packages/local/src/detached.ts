// A supervisor in the background: the command that asked for it hears its news until it is up, then leaves it alone.
import { fork } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { failure } from "@gitspaces/contracts";
import type { UpOptions } from "./options.ts";
import { lastWords, logFile } from "./program.ts";
import type { News } from "./report.ts";

/** Starts this same program in a session of its own and tells its news. Gives the exit code once it is up or has failed. */
export async function superviseDetached(options: UpOptions, main: string, tell: (news: News) => void): Promise<number> {
  mkdirSync(options.dataFolder, { recursive: true, mode: 0o700 });
  const log = logFile(options.dataFolder, "supervisor");
  const output = openSync(log, "a", 0o600);
  const child = fork(main, supervisorArguments(options), {
    detached: true,
    stdio: ["ignore", output, output, "ipc"],
    cwd: "/",
    env: { ...process.env, GITSPACES_UP_STARTED_AT: String(options.startedAt) },
  });
  closeSync(output);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill("SIGTERM"));

  const { promise, resolve } = Promise.withResolvers<number>();
  let isToldWhy = false;
  child.on("message", (message) => {
    const news = message as News;
    tell(news);
    isToldWhy ||= news.news === "failure";
    if (news.news === "ready") resolve(0);
  });
  const end = (how: string, code: number) => {
    if (!isToldWhy)
      tell({ news: "failure", failure: failure("internal", `The supervisor ended (${how}). ${lastWords(log)}`) });
    resolve(code);
  };
  child.once("error", (error) => end(error.message, 1));
  child.once("exit", (code, signal) => end(signal ?? `exit code ${code}`, code ?? 1));
  const code = await promise;
  child.removeAllListeners();
  if (child.connected) child.disconnect();
  child.unref();
  return code;
}

function supervisorArguments({ dataFolder, ports, provider, sample, json }: UpOptions): string[] {
  const kind = provider === undefined ? [] : ["--provider", provider];
  const flags = [...kind, ...(sample ? [] : ["--no-sample"]), ...(json ? ["--json"] : [])];
  return ["up", "--data", dataFolder, "--port-base", String(ports.control_plane), ...flags];
}

/** In a supervisor that runs detached: news go to the command that waits, as long as it does, then to the log. */
export function tellParent(otherwise: (news: News) => void): (news: News) => void {
  return (news) => {
    if (process.connected) process.send?.(news, undefined, undefined, () => undefined);
    else otherwise(news);
  };
}
