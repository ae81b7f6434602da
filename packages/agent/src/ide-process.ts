// The IDE as a child of the agent: it begins with its socket and ends with its process group.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import type { ChildEnvironment } from "./child-environment.ts";
import { readLines, signalGroup } from "./command.ts";
import { dial } from "./dial.ts";
import { makeIdeFolders } from "./home-folder.ts";
import type { IdeRunner } from "./ide.ts";
import type { IdeCommand } from "./ide-command.ts";

const STOP_GRACE_MS = 3_000;

type Parts = { command: IdeCommand; home: string; env: ChildEnvironment };

/** Runs the IDE beside the agent, as the agent's user. */
export function ideProcess({ command, home, env }: Parts): IdeRunner {
  return {
    complaint: () => (existsSync(command.entry) ? undefined : `the image has no code-server at ${command.entry}`),
    live(onLine) {
      makeIdeFolders(home);
      rmSync(command.socket, { force: true });
      writeFileSync(command.configuration, "auth: none\n", { mode: 0o600 });
      const { program, args } = command;
      const child = spawn(program, args, { cwd: "/", env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
      for (const stream of [child.stdout, child.stderr]) readLines(stream, onLine).catch(() => {});
      const ended = once(child, "exit").then(() => {
        // Its helpers have no purpose without it.
        signalGroup(child, "SIGKILL");
      });
      const end = async () => await endChild(child);
      return { ended, end, leave: end };
    },
    dial: async () => await dial([{ path: command.socket }], "The IDE does not listen yet."),
  };
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  signalGroup(child, "SIGTERM");
  const late = setTimeout(() => signalGroup(child, "SIGKILL"), STOP_GRACE_MS);
  await once(child, "exit");
  clearTimeout(late);
}
