// The agent's SSH answer as the gateway meets it: each CONNECT to port 8022 becomes an sshd of its own that lets in the keys it names.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";

export type TestSshd = {
  /** Answers a CONNECT. */
  serve: (request: IncomingMessage, client: Duplex) => void;
  /** The keys that each CONNECT named, in their order. */
  named: string[][];
  folder: string;
  user: string;
  publicKey: string;
  /** Tells another host key than sshd has. */
  lies: boolean;
} & Disposable;

const CONFIG = (folder: string) => `HostKey ${folder}/host
AuthorizedKeysFile ${folder}/keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
AcceptEnv *
StreamLocalBindUnlink yes
PrintMotd no
PrintLastLog no
LogLevel ERROR
Subsystem sftp internal-sftp
`;

export function startSshd(): TestSshd {
  const folder = mkdtempSync(join(tmpdir(), "sshd-"));
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, "host")]);
  writeFileSync(join(folder, "config"), CONFIG(folder));
  // Only an sshd of root wants it, and a boot makes it.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const { username: user } = userInfo();
  const [type, blob] = readFileSync(join(folder, "host.pub"), "utf8").split(" ");
  const sshd: TestSshd = {
    named: [],
    folder,
    user,
    publicKey: `${type} ${blob}`,
    lies: false,
    serve(request, client) {
      const header = String(request.headers["gitspaces-ssh-keys"] ?? "");
      const keys = Buffer.from(header, "base64").toString("latin1");
      sshd.named.push(keys.split("\n"));
      writeFileSync(join(folder, "keys"), `${keys}\n`);
      const child = spawn("/bin/sh", ["-c", `exec /usr/sbin/sshd -i -f ${folder}/config <&3 >&3 3<&-`], {
        stdio: ["ignore", "ignore", "inherit", "pipe"],
      });
      const inner = child.stdio[3] as unknown as Socket;
      inner.on("error", () => client.destroy());
      client.on("close", () => inner.destroy());
      inner.on("close", () => client.destroy());
      const told = sshd.lies ? "ssh-ed25519 AAAA" : sshd.publicKey;
      client.write(
        `HTTP/1.1 200 Connection Established\r\ngitspaces-ssh-user: ${user}\r\nGitspaces-SSH-Host-Key: ${told}\r\n\r\n`,
      );
      client.pipe(inner).pipe(client);
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
  return sshd;
}
