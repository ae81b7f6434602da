// Programs of the person inside the dev container: by `docker exec`, as their user, with their environment.
// Nothing of that environment may reach the engine's client on the VM, where `LD_PRELOAD` or `DOCKER_HOST` would be obeyed:
// it goes to the client as a nameless file, and so is in no argument either.
import { randomUUID } from "node:crypto";
import type { ChildEnvironment } from "../child-environment.ts";
import { type Ended, LENT_FILE, run } from "../command.ts";
import type { Container } from "./container.ts";
import { signalMarked } from "./marked-processes.ts";

/** As much of the engine as this needs: the environment in which the `docker` command finds it. */
export type EngineAccess = { env: ChildEnvironment };
export type Place = Pick<Container, "id" | "pid" | "user" | "env" | "workspaceFolder">;
export type Inside = {
  args: readonly string[];
  /** The workspace otherwise. */
  cwd?: string;
  /** Added to the person's environment. */
  env?: Record<string, string>;
  /** The person's user otherwise. */
  user?: string;
};
/** Arguments for `docker`, what to add to its own environment, and the text to lend it (see `LENT_FILE`). */
export type ExecCommand = { args: string[]; env: ChildEnvironment; lent: string };

/** Every process that this agent has started inside carries a mark of this name; its value says for what. */
export const MARK = "GITSPACES_MARK";
const LONGEST_LINE = 60_000;
const KILL_AFTER_MS = 2_000;

/** How `docker` is called to run something inside. `options` come before the container's id: `-i`, `-t`, `-d`. Pure. */
export function execArgs(
  container: Place,
  { args, cwd, env, user }: Inside,
  options: readonly string[] = [],
): ExecCommand {
  const { name, home, shell } = container.user;
  const usual = {
    HOME: home,
    USER: name,
    LOGNAME: name,
    SHELL: /\/(?:nologin|false)$/.test(shell) ? "/bin/sh" : shell,
  };
  const all = Object.entries({ ...usual, ...container.env, ...env }).filter(([key]) => /^[^\s=#][^\s=]*$/.test(key));
  const fits = (value: string) => !/[\r\n\0]/.test(value) && value.length < LONGEST_LINE;
  // A line of the file holds one value. One of many lines goes by the client's environment, where its name means nothing there.
  const direct = all.filter(([key, value]) => !fits(value) && !value.includes("\0") && isHarmless(key));
  return {
    args: [
      "exec",
      ...options,
      "--user",
      user ?? name,
      "--workdir",
      cwd ?? container.workspaceFolder,
      "--env-file",
      LENT_FILE,
      ...direct.flatMap(([key]) => ["--env", key]),
      container.id,
      ...args,
    ],
    env: Object.fromEntries(direct),
    lent: all.flatMap(([key, value]) => (fits(value) ? [`${key}=${value}\n`] : [])).join(""),
  };
}

const obeyedByPrograms =
  /^(?:LD_|GO|DOCKER|BUILD|COMPOSE|CONTAINERD|OTEL|XDG_|SSL_|SSH_|LC_|MALLOC_|GLIBC_|GCONV_|RES_|.*_proxy$|(?:PATH|HOME|USER|LANG|LANGUAGE|NLSPATH|LOCPATH|TMPDIR|TZ|TZDIR|SHELL|IFS|ENV|BASH_ENV|HOSTALIASES|LOCALDOMAIN|NO_COLOR|TERM)$)/i;

function isHarmless(name: string): boolean {
  return /^[A-Za-z_]\w*$/.test(name) && !obeyedByPrograms.test(name);
}

type Running = Inside & { signal: AbortSignal; onLine?: (line: string) => void; input?: string };

/**
 * Runs a program inside to its end; gives its exit code (125 to 127 when it could not be run) and last lines.
 * An abort ends what was started, with all it started itself; then the abort's reason is thrown.
 */
export async function runInside(engine: EngineAccess, container: Place, running: Running): Promise<Ended> {
  const { signal, onLine, input, ...inside } = running;
  signal.throwIfAborted();
  const mark = randomUUID();
  const { args, env, lent } = execArgs(
    container,
    { ...inside, env: { ...inside.env, [MARK]: mark } },
    input === undefined ? [] : ["--interactive"],
  );
  try {
    return await run({
      program: "docker",
      args,
      cwd: "/",
      env: { ...env, ...engine.env },
      lent,
      signal,
      ...(onLine === undefined ? {} : { onLine }),
      ...(input === undefined ? {} : { input }),
    });
  } catch (error) {
    // The engine's client is gone; what it had started inside is not.
    signalMarked(`${MARK}=${mark}`, "SIGTERM", container.pid);
    setTimeout(() => signalMarked(`${MARK}=${mark}`, "SIGKILL", container.pid), KILL_AFTER_MS).unref();
    throw error;
  }
}
