// SSH into a dev container: an sshd lent by the VM, with its libraries, one process for each connection, as the person's user inside.
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "@gitspaces/contracts";
import { run } from "../command.ts";
import { AuthorisedKeys } from "../ssh/authorised-keys.ts";
import { type HostKey, hostKeyOf } from "../ssh/host-key.ts";
import type { SshConnection } from "../ssh/ssh-door.ts";
import { SFTP_SERVER, SSHD } from "../ssh/ssh-in-place.ts";
import { bannerFor, enterScript, sshdConfig } from "../ssh/sshd-settings.ts";
import type { Container } from "./container.ts";
import { personsPath } from "./ide-inside.ts";
import { type EngineAccess, execArgs, MARK } from "./in-container.ts";
import { giveOwnFolder, INSIDE, type InsideFolder } from "./inside-folder.ts";
import { nodeInside } from "./node-inside.ts";
import { lendPrograms } from "./own-libc.ts";
import { dialReceived } from "./received-file.ts";

const START_MS = 15_000;
const LOOK_MS = 20;
const SOCKET = "ssh.sock";
const SILENT = "The dev container's sshd does not answer.";
/** Where the settings are, as seen inside. */
const SETTINGS = `${INSIDE.run}/ssh`;

/** What takes connections in one life of one container. */
type Begun = { id: string; pid: number; prepared: Promise<HostKey> };
type Parts = { engine: EngineAccess; inside: InsideFolder; home: string };

export interface SshInside {
  /** A connection that these keys open. @throws {FailureError} `unsupported` without sshd, `vm_unreachable` when it does not begin. */
  dial(container: Container, keys: readonly string[]): Promise<SshConnection>;
}

/** Opens it; nothing runs inside before the first connection. */
export function openSshInside({ engine, inside, home }: Parts): SshInside {
  const settings = join(inside.sent, "ssh");
  let admitted: AuthorisedKeys | undefined;
  let ready: Begun | undefined;

  const prepare = async (container: Container): Promise<HostKey> => {
    if (!existsSync(SSHD))
      throw fail(
        "unsupported",
        "SSH into this Gitspace needs the package openssh-server on its VM, which is not there.",
      );
    const programs = await lendPrograms(inside.tools, "ssh", { sshd: SSHD, "sftp-server": SFTP_SERVER });
    const hostKey = await hostKeyOf(home);
    mkdirSync(settings, { recursive: true, mode: 0o755 });
    writeSettings(settings, container, hostKey, `${programs}/sftp-server`);
    admitted ??= new AuthorisedKeys(join(settings, "authorized_keys"));
    const { node } = await nodeInside({ engine, inside, container });
    await listen({ engine, inside, container, node, sshd: `${programs}/sshd` });
    return hostKey;
  };
  const begin = async (container: Container): Promise<{ hostKey: HostKey; begun: Begun }> => {
    const { id, pid } = container;
    if (ready?.id !== id || ready.pid !== pid) ready = { id, pid, prepared: prepare(container) };
    const begun = ready;
    try {
      return { hostKey: await begun.prepared, begun };
    } catch (error) {
      if (ready === begun) ready = undefined;
      throw error;
    }
  };
  const connect = async (container: Container): Promise<{ hostKey: HostKey; socket: Socket }> => {
    const { hostKey, begun } = await begin(container);
    try {
      return { hostKey, socket: await dialReceived(socketOf(inside), SILENT) };
    } catch (error) {
      if (ready === begun) ready = undefined;
      throw error;
    }
  };
  return {
    async dial(container, keys) {
      // What listens inside may have ended since, for want of connections: then the second try begins it anew.
      const { hostKey, socket } = await connect(container).catch(async () => await connect(container));
      const admission = admitted?.admit(keys);
      socket.once("close", () => admission?.[Symbol.dispose]());
      return { socket, user: container.user.name, hostKey: hostKey.publicKey };
    },
  };
}

function socketOf({ received }: InsideFolder): string {
  return join(received, SOCKET);
}

/** All of it is the person's to read, and what only they may read is theirs. */
function writeSettings(settings: string, container: Container, { file }: HostKey, sftpServer: string): void {
  const { user, env, workspaceFolder } = container;
  const places = {
    hostKey: `${SETTINGS}/host_key`,
    authorisedKeys: `${SETTINGS}/authorized_keys`,
    banner: `${SETTINGS}/banner`,
    enter: `${SETTINGS}/enter`,
  };
  const enter = { folder: workspaceFolder, env: { ...env, PATH: personsPath(container) }, sftpServer };
  writeFileSync(join(settings, "sshd_config"), sshdConfig(places, user.name));
  writeFileSync(join(settings, "banner"), bannerFor(user.name));
  giveFile(join(settings, "enter"), user, (beside) => writeFileSync(beside, enterScript(enter), { mode: 0o400 }));
  giveFile(join(settings, "host_key"), user, (beside) => copyFileSync(file, beside));
}

function giveFile(file: string, { uid, gid }: Container["user"], make: (beside: string) => void): void {
  const beside = `${file}.new`;
  rmSync(beside, { force: true });
  make(beside);
  chmodSync(beside, 0o400);
  chownSync(beside, uid, gid);
  renameSync(beside, file);
}

type Listener = Pick<Parts, "engine" | "inside"> & { container: Container; node: string; sshd: string };

/** Starts what takes connections inside, and waits until it does. */
async function listen({ engine, inside, container, node, sshd }: Listener): Promise<void> {
  giveOwnFolder(inside, container.user);
  const script = `${INSIDE.scripts}/ssh-listener.mjs`;
  const { args, env, lent } = execArgs(
    container,
    {
      args: [node, script, `${INSIDE.own}/${SOCKET}`, sshd, `${SETTINGS}/sshd_config`],
      cwd: "/",
      env: { [MARK]: `ssh-${container.id}` },
    },
    ["--detach"],
  );
  const signal = AbortSignal.timeout(START_MS);
  const ended = await run({ program: "docker", args, cwd: "/", env: { ...env, ...engine.env }, lent, signal });
  if (ended.code !== 0)
    throw fail(
      "vm_unreachable",
      `SSH did not begin in the dev container: ${ended.output.at(-1) ?? "the engine failed"}`,
    );
  for (const until = performance.now() + START_MS; ; await sleep(LOOK_MS)) {
    try {
      (await dialReceived(socketOf(inside), SILENT)).destroy();
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
    }
  }
}
