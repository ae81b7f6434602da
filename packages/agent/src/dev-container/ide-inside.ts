// The IDE inside the dev container, as the person's user. It lives as long as the container and does not need the agent: after a
// restart of the agent it is joined again, terminals and all.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../command.ts";
import { ideFolders, USER_SETTINGS } from "../home-folder.ts";
import type { IdeLife, IdeRunner } from "../ide.ts";
import { ideCommand } from "../ide-command.ts";
import type { Container } from "./container.ts";
import { type EngineAccess, execArgs, MARK } from "./in-container.ts";
import { giveOwnFolder, INSIDE, type InsideFolder } from "./inside-folder.ts";
import { isAlive, type MarkedProcess, markedProcesses, signalProcess } from "./marked-processes.ts";
import { OWN_NODE } from "./own-libc.ts";
import { dialReceived, readReceived } from "./received-file.ts";

const LOOK_EVERY_MS = 250;
const STOP_GRACE_MS = 3_000;
const EXEC_DEADLINE_MS = 30_000;
const OUTPUT = "output.log";
/** The home is furnished first. Both say what they say into a file, if they may: nobody stays to listen. */
const LAUNCH =
  `(: >"$1") 2>/dev/null && exec >"$1" 2>&1 </dev/null; shift; ` +
  `"$0" ${INSIDE.scripts}/furnish.mjs ${INSIDE.run}/home.json; exec "$0" "$@"`;

type Parts = {
  engine: EngineAccess;
  inside: InsideFolder;
  container: Container;
  /** The path inside of the Node to run it with. */
  node: () => Promise<string>;
};

/** Runs the IDE of `/opt/gitspaces/ide` inside. */
export function ideInside({ engine, inside, container, node }: Parts): IdeRunner {
  const command = ideCommand(INSIDE.ide, container.user.home, INSIDE.own, `${INSIDE.run}/ide.yaml`);
  const mark = `ide-${container.id}`;
  const findAll = () => markedProcesses(`${MARK}=${mark}`, container.pid);
  const output = join(inside.received, OUTPUT);

  return {
    complaint: () => undefined,
    async live(onLine) {
      const there = leaderOf(findAll(), command.entry);
      if (there !== undefined) return lifeOf(there, findAll, () => readReceived(output).forEach(onLine));
      endHelpers(findAll());
      prepare(inside, container, command.socket);
      const { args, env, lent } = execArgs(
        container,
        {
          args: ["/bin/sh", "-c", LAUNCH, await node(), `${INSIDE.own}/${OUTPUT}`, ...command.args],
          cwd: "/",
          env: { PATH: personsPath(container), [MARK]: mark },
        },
        ["--detach"],
      );
      const signal = AbortSignal.timeout(EXEC_DEADLINE_MS);
      const ended = await run({ program: "docker", args, cwd: "/", env: { ...env, ...engine.env }, lent, signal });
      if (ended.code !== 0) throw new Error(ended.output.at(-1) ?? "the engine could not begin it");
      const leader = leaderOf(findAll(), command.entry);
      const tell = () => readReceived(output).forEach(onLine);
      if (leader !== undefined) return lifeOf(leader, findAll, tell);
      tell();
      return { ended: Promise.resolve(), end: async () => {}, leave: async () => {} };
    },
    dial: async () => await dialReceived(join(inside.received, "ide.sock"), "The IDE does not listen yet."),
  };
}

/** PATH of the person's programs; the command `gitspaces` comes last, so that nothing of the image is hidden by it. */
export function personsPath({ env }: Pick<Container, "env">): string {
  return `${env["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}:${INSIDE.path}`;
}

function prepare(inside: InsideFolder, container: Container, socket: string): void {
  const { user, workspaceFolder, customizations } = container;
  giveOwnFolder(inside, user);
  writeFileSync(join(inside.sent, "ide.yaml"), "auth: none\n");
  const home = {
    ...ideFolders(user.home),
    socket,
    folder: workspaceFolder,
    userSettings: USER_SETTINGS,
    machineSettings: customizations.settings,
  };
  writeFileSync(join(inside.sent, "home.json"), JSON.stringify(home));
}

/** The first process of the IDE: those it starts have a parent with the same mark. */
function leaderOf(all: readonly MarkedProcess[], entry: string): MarkedProcess | undefined {
  const pids = new Set(all.map(({ pid }) => pid));
  return all.find(({ parent, args }) => !pids.has(parent) && args.includes(entry));
}

/** Both of our Nodes, as /proc names them: by the container's own paths. */
const isOurs = (program: string) => program === INSIDE.node || program === OWN_NODE;

/** What serves the IDE is what our Node runs; a terminal's programs are the person's, and hear of the end by their terminal. */
function endHelpers(all: readonly MarkedProcess[]): void {
  for (const each of all) if (isOurs(each.program)) signalProcess(each, "SIGKILL");
}

function lifeOf(leader: MarkedProcess, findAll: () => MarkedProcess[], tell: () => void): IdeLife {
  const watching = new AbortController();
  const watch = async () => {
    while (isAlive(leader) && !watching.signal.aborted) {
      await sleep(LOOK_EVERY_MS, undefined, { signal: watching.signal, ref: false }).catch(() => {});
    }
    if (isAlive(leader)) return;
    tell();
    endHelpers(findAll());
  };
  const ended = watch();
  return {
    ended,
    async end() {
      signalProcess(leader, "SIGTERM");
      const late = setTimeout(() => signalProcess(leader, "SIGKILL"), STOP_GRACE_MS);
      await ended;
      clearTimeout(late);
    },
    async leave() {
      watching.abort();
      await ended;
    },
  };
}
