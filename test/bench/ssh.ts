// How fast 200 MB go by scp: straight to an sshd, by a session that ends at the gateway, and by a jump through it; both also through an
// agent's tunnel. Client, sshd and agent are on one core, the gateway on another: so is a Gitspace's VM on another machine.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { availableParallelism, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { keyFingerprint } from "@gitspaces/daemon/certificates";
import { makeAuthority } from "../../apps/gateway/src/testing/certificates.ts";
import { rounded } from "./figures.ts";
import { cpuMicros } from "./gateway/process-figures.ts";
import type { DoorOrder } from "./ssh/door.ts";

const BYTES = 200_000_000;
const DEADLINE_MS = 60_000;
/** Two directions of each way. */
const ways = ["direct", "scp", "jump", "scp_tunnel", "jump_tunnel"] as const;
type Way = (typeof ways)[number];

/** MB/s of each way and direction, the best of its rounds, and what that is of the direct one: of the worse direction. */
export async function ssh(rounds: number): Promise<Record<string, number>> {
  await using opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(memory(), "bench-ssh-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const ground = await build(folder, opened);
  writeFileSync(join(folder, "sent"), Buffer.alloc(BYTES, "measured "));
  const best: Record<string, number> = {};
  const costs: Record<string, number> = {};
  for (let round = 0; round < rounds; round++) {
    for (const way of ways) {
      for (const direction of ["down", "up"] as const) {
        const before = cpuMicros(ground.doorPid);
        const speed = await copy(ground, way, direction);
        const cost = (cpuMicros(ground.doorPid) - before) / 1_000 / (BYTES / 1e6);
        const name = `${way}_${direction}_mb_s`;
        best[name] = Math.max(best[name] ?? 0, speed);
        if (way !== "direct") costs[way] = Math.min(costs[way] ?? Infinity, cost);
        console.error(`round ${round + 1}: ${name} ${speed.toFixed(0)}`);
      }
    }
  }
  const cpu = Object.entries(costs).map(([way, cost]) => [`${way}_cpu_ms_per_mb`, rounded(cost)] as const);
  const of = (way: Way, direction: string) => best[`${way}_${direction}_mb_s`] ?? 0;
  const ratios = ways.slice(1).map((way) => {
    const both = ["down", "up"].map((direction) => of(way, direction) / of("direct", direction));
    return [`${way}_vs_direct`, rounded(Math.min(...both))] as const;
  });
  const speeds = Object.entries(best).map(([name, speed]) => [name, Math.round(speed)] as const);
  return Object.fromEntries([...ratios, ...cpu, ...speeds]);
}

type Ground = { folder: string; key: string; user: string; sshdPort: number; doorPort: number; doorPid: number };

async function build(folder: string, opened: AsyncDisposableStack): Promise<Ground> {
  for (const name of ["key", "host"])
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(folder, name)]);
  const line = (name: string) =>
    readFileSync(join(folder, `${name}.pub`), "utf8")
      .split(" ")
      .slice(0, 2)
      .join(" ")
      .trim();
  const { username: user } = userInfo();
  const sshdPort = await startSshd(folder, opened);
  const authority = makeAuthority("bench");
  const vm = authority.issue("vm", "vm-1");
  const [agent, agentPort] = await startProgram("agent.ts", 1, vm);
  opened.defer(() => end(agent));
  const told = { "gitspaces-ssh-user": user, "gitspaces-ssh-host-key": line("host") };
  const order: DoorOrder = {
    folder,
    key: line("key"),
    identity: authority.issue("gateway", "gateway"),
    route: {
      gitspaceId: "tunnel",
      generation: 1,
      instanceId: "vm-1",
      address: "127.0.0.1",
      port: agentPort,
      keyFingerprint: keyFingerprint(vm.certificate),
    },
    sshd: { port: sshdPort, keysFile: join(folder, "keys"), told },
  };
  const [door, doorPort] = await startProgram("door.ts", 0, order);
  opened.defer(() => end(door));
  return { folder, key: line("key"), user, sshdPort, doorPort, doorPid: door.pid ?? 0 };
}

async function startSshd(folder: string, opened: AsyncDisposableStack): Promise<number> {
  const port = await freePort();
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const settings = {
    HostKey: join(folder, "host"),
    AuthorizedKeysFile: join(folder, "keys"),
    ListenAddress: `127.0.0.1:${port}`,
    PidFile: "none",
    UsePAM: "no",
    StrictModes: "no",
    Subsystem: "sftp internal-sftp",
  };
  writeFileSync(
    join(folder, "config"),
    Object.entries(settings)
      .map((pair) => `${pair.join(" ")}\n`)
      .join(""),
  );
  const sshd = spawn("taskset", ["-c", core(1), "/usr/sbin/sshd", "-D", "-e", "-f", join(folder, "config")], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  opened.defer(() => end(sshd));
  for (const until = performance.now() + DEADLINE_MS; !(await answers(port)); await sleep(20))
    if (performance.now() > until) throw new Error("sshd does not listen");
  return port;
}

/** A program of this folder that answers its first message with the port it listens on. */
async function startProgram(name: string, onCore: number, order: object): Promise<[ChildProcess, number]> {
  const program = join(import.meta.dirname, "ssh", name);
  const child = spawn(
    "taskset",
    ["-c", core(onCore), process.execPath, "--disable-warning=ExperimentalWarning", program],
    {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    },
  );
  child.send(order);
  const [{ port }] = (await once(child, "message", { signal: AbortSignal.timeout(DEADLINE_MS) })) as [{ port: number }];
  return [child, port];
}

/** MB/s of one copy. */
async function copy(ground: Ground, way: Way, direction: "up" | "down"): Promise<number> {
  const { folder, key, user, sshdPort, doorPort } = ground;
  // The door names its own keys where it dials; straight there it is the person's.
  if (way === "direct") writeFileSync(join(folder, "keys"), `${key}\n`);
  const gitspace = way.endsWith("tunnel") ? "tunnel" : "plain";
  const common = optionsOf(folder);
  const jump = ["ssh", ...common, "-p", doorPort, "-W", "[%h]:%p", "any@127.0.0.1"].join(" ");
  const isJump = way.startsWith("jump");
  const more = isJump ? ["-o", `ProxyCommand=${jump}`] : ["-P", String(way === "direct" ? sshdPort : doorPort)];
  const host = isJump ? `${user}@${gitspace}` : way === "direct" ? `${user}@127.0.0.1` : `${gitspace}@127.0.0.1`;
  const [sent, received] = [join(folder, "sent"), join(folder, "received")];
  const files = direction === "up" ? [sent, `${host}:${received}`] : [`${host}:${sent}`, received];
  const begun = performance.now();
  const child = spawn("taskset", ["-c", core(1), "scp", "-q", ...common, ...more, ...files], { stdio: "inherit" });
  const [code] = (await once(child, "exit", { signal: AbortSignal.timeout(DEADLINE_MS) })) as [number];
  if (code !== 0) throw new Error(`${way} ${direction}: scp ended with ${code}`);
  return BYTES / 1e6 / ((performance.now() - begun) / 1_000);
}

function optionsOf(folder: string): string[] {
  const options = {
    IdentityFile: join(folder, "key"),
    IdentitiesOnly: "yes",
    IdentityAgent: "none",
    BatchMode: "yes",
    StrictHostKeyChecking: "no",
    UserKnownHostsFile: "/dev/null",
    LogLevel: "ERROR",
  };
  return ["-F", "none", ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
}

function core(number: number): string {
  return String(availableParallelism() > 1 ? number : 0);
}

function memory(): string {
  return process.platform === "linux" ? "/dev/shm" : tmpdir();
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return await new Promise((resolve) => {
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}
