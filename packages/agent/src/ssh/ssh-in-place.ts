// SSH into a workplace without a container: the machine's own sshd, one process for each connection, as the agent's user. None
// of them listens anywhere: VMs that share a network would otherwise want the same port, and anybody on it could knock.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { ChildEnvironment } from "../child-environment.ts";
import { readLines, signalGroup } from "../command.ts";
import { AuthorisedKeys } from "./authorised-keys.ts";
import { type HostKey, hostKeyOf } from "./host-key.ts";
import type { SshConnection } from "./ssh-door.ts";
import { bannerFor, enterScript, sshdConfig } from "./sshd-settings.ts";

export const SSHD = "/usr/sbin/sshd";
export const SFTP_SERVER = "/usr/lib/openssh/sftp-server";
/** Where an sshd of root puts away the half that has no rights. */
const EMPTY_FOLDER = "/run/sshd";
const CONNECTION = 3;
/** The socket becomes both standard streams, as sshd expects it of its caller. */
const TAKE_SOCKET = `exec "$0" "$@" <&${CONNECTION} >&${CONNECTION} ${CONNECTION}<&-`;

type Parts = { home: string; runFolder: string; env: ChildEnvironment; log: Logger };
/** The workspace and the environment of its programs. */
export type SshPlace = { folder: string; env: ChildEnvironment };

export interface SshInPlace extends Disposable {
  /** A connection that these keys open. @throws {FailureError} `unsupported` without sshd. */
  dial(keys: readonly string[], place: SshPlace): Promise<SshConnection>;
  /** Ends all connections. */
  end(): void;
}

/** Opens it; sshd begins with the first connection. */
export function openSshInPlace({ home, runFolder, env, log }: Parts): SshInPlace {
  const folder = join(runFolder, "ssh");
  const children = new Set<ChildProcess>();
  let admitted: AuthorisedKeys | undefined;
  let hostKeyMade: Promise<HostKey> | undefined;
  const ensureHostKey = async () => {
    hostKeyMade ??= hostKeyOf(home).catch((error: unknown) => {
      hostKeyMade = undefined;
      throw error;
    });
    return await hostKeyMade;
  };

  const end = () => {
    for (const child of children) signalGroup(child, "SIGTERM");
  };
  return {
    async dial(keys, place) {
      if (!existsSync(SSHD))
        throw fail(
          "unsupported",
          "SSH into this Gitspace needs the package openssh-server on its VM, which is not there.",
        );
      const { username: user, uid } = userInfo();
      const hostKey = await ensureHostKey();
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (uid === 0) mkdirSync(EMPTY_FOLDER, { recursive: true, mode: 0o755 });
      const places = placesIn(folder, hostKey.file);
      writeFileSync(places.banner, bannerFor(user));
      writeFileSync(places.enter, enterScript({ ...place, sftpServer: SFTP_SERVER }), { mode: 0o600 });
      writeFileSync(places.config, sshdConfig(places, user));
      admitted ??= new AuthorisedKeys(places.authorisedKeys);
      const admission = admitted.admit(keys);
      const { child, socket } = launch(places.config, env);
      children.add(child);
      readLines(child.stderr as NodeJS.ReadableStream, (line) => log.debug({ line }, "sshd")).catch(() => {});
      child.once("error", (error) => socket.destroy(error));
      child.once("close", () => {
        children.delete(child);
        admission[Symbol.dispose]();
      });
      return { socket, user, hostKey: hostKey.publicKey };
    },
    end,
    [Symbol.dispose]: end,
  };
}

function placesIn(folder: string, hostKey: string) {
  return {
    hostKey,
    config: join(folder, "sshd_config"),
    authorisedKeys: join(folder, "authorized_keys"),
    banner: join(folder, "banner"),
    enter: join(folder, "enter"),
  };
}

function launch(config: string, env: ChildEnvironment): { child: ChildProcess; socket: Socket } {
  const child = spawn("/bin/sh", ["-c", TAKE_SOCKET, SSHD, "-i", "-e", "-f", config], {
    cwd: "/",
    env,
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  // Node gives a socket pair for every pipe beyond the standard three.
  const socket = child.stdio[CONNECTION] as unknown as Socket;
  socket.allowHalfOpen = true;
  return { child, socket };
}
