// What sshd and the shells behind it are told: modern algorithms, keys alone, one user, and everything in the workspace. Pure.
import type { ChildEnvironment } from "../child-environment.ts";

/** How the sftp subsystem is called on its way through the script; no program has this name. */
const SFTP = "gitspaces-sftp";

export type SshdPlaces = {
  /** Private, of the user that sshd runs as. */
  hostKey: string;
  authorisedKeys: string;
  /** The text for whoever comes as another user. */
  banner: string;
  /** The script that every session begins with. */
  enter: string;
};

/** The text of `sshd_config`. Sessions begin with the script `enter`, for all users are one. */
export function sshdConfig(places: SshdPlaces, user: string): string {
  const { hostKey, authorisedKeys, banner, enter } = places;
  return `HostKey "${hostKey}"
AuthorizedKeysFile "${authorisedKeys}"
PidFile none
UsePAM no
StrictModes no
UseDNS no
AllowUsers ${user}
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitEmptyPasswords no
LoginGraceTime 30
MaxSessions 100
KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org
HostKeyAlgorithms ssh-ed25519
Ciphers aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr
MACs hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com
AcceptEnv *
PermitUserEnvironment no
PermitUserRC no
PermitTunnel no
X11Forwarding no
GatewayPorts no
AllowAgentForwarding yes
AllowTcpForwarding yes
AllowStreamLocalForwarding yes
StreamLocalBindUnlink yes
PrintMotd no
PrintLastLog no
LogLevel ERROR
Subsystem sftp ${SFTP}
ForceCommand /bin/sh ${quoted(enter)}
Match User *,!${user}
  Banner "${banner}"
`;
}

/** What somebody reads who comes as another user than the one there is. */
export function bannerFor(user: string): string {
  return `The user of this Gitspace is ${user}: put "${user}@" before its name, or "User ${user}" into your SSH configuration.\n`;
}

type Entrance = { folder: string; env: ChildEnvironment; sftpServer: string };

/** The script a session begins with: the workplace's variables, its folder, then what was asked for. For any POSIX shell. */
export function enterScript({ folder, env, sftpServer }: Entrance): string {
  const exported = Object.entries(env).filter(([name]) => /^[A-Za-z_]\w*$/.test(name) && !kept.test(name));
  return `asked=\${SSH_ORIGINAL_COMMAND-}
told=\${SSH_ORIGINAL_COMMAND+yes}
unset SSH_ORIGINAL_COMMAND
${exported.map(([name, value]) => `export ${name}=${quoted(value)}\n`).join("")}cd ${quoted(folder)} 2>/dev/null || cd
case $asked in ${SFTP}) exec ${sftpServer} -d "$PWD" ;; esac
case $told in yes) set -- -c "$asked" ;; *) set -- -l ;; esac
unset asked told
exec "$SHELL" "$@"
`;
}

/** A shell's own, and what belongs to the session rather than to the workplace. */
const kept = /^(?:_|PWD|OLDPWD|SHLVL|TERM|SSH_\w+|UID|EUID|PPID|SHELLOPTS|BASHOPTS|BASH_VERSINFO)$/;

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`).replaceAll("\0", "")}'`;
}
