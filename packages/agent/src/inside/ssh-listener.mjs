// Inside a dev container, as the person: hands every connection of a private socket to an sshd of its own, which gets the socket itself.
// Arguments: the socket's path, sshd, its configuration. Without connections for a while it ends; the agent starts it again.
import { spawn } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";

const IDLE_MS = 600_000;
const [path, sshd, configuration] = process.argv.slice(2);
const mark = process.env.GITSPACES_MARK ?? "";
const env = { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", GITSPACES_MARK: mark };
let running = 0;
let idle;

// An sshd of root puts half of itself away under another user, in an empty folder. Not every image knows that user.
if (process.getuid() === 0) {
  mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const users = readFileSync("/etc/passwd", "utf8");
  const end = users.endsWith("\n") ? "" : "\n";
  if (!/^sshd:/m.test(users)) appendFileSync("/etc/passwd", `${end}sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n`);
}

rmSync(path, { force: true });
const server = createServer({ pauseOnConnect: true }, (socket) => {
  clearTimeout(idle);
  running++;
  const child = spawn(sshd, ["-i", "-f", configuration], {
    cwd: "/",
    env,
    detached: true,
    stdio: [socket, socket, "ignore"],
  });
  let isOver = false;
  const over = () => {
    if (isOver) return;
    isOver = true;
    if (--running === 0) rest();
  };
  child.once("error", over).once("exit", over);
  // sshd has it now.
  socket.destroy();
});
server.listen(path);
rest();

function rest() {
  idle = setTimeout(() => process.exit(0), IDLE_MS);
}
