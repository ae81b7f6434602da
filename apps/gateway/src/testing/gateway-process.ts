// The gateway as a process of its own, as a supervisor starts it, among the neighbours of a street; it may be told to hand over.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Member } from "../hand-over/crew.ts";
import { Crew } from "../hand-over/crew.ts";
import { TOKEN } from "./control-plane.ts";
import type { Street } from "./street.ts";

export type GatewayProcess = {
  port: number;
  sshPort: number;
  /** The process that the supervisor knows. */
  child: ChildProcess;
  data: string;
  /** What it was started with; another one with the same listens where it does. */
  settings: Record<string, string>;
  output: () => string;
  /** Every process of it that lives. */
  members: () => Member[];
  current: () => Member;
  /** Processes on their way: started to take over, and not yet told of. */
  successors: () => number[];
  /** Has it hand over; resolves with the pid of the new current process. */
  handOver: () => Promise<number>;
  /** The status of `/readyz`, 0 when nobody answers. */
  ready: () => Promise<number>;
} & AsyncDisposable;

/** Starts it and waits until it serves. */
export async function startGatewayProcess(
  street: Street,
  settings: Record<string, string> = {},
  data = mkdtempSync(join(tmpdir(), "gateway-process-")),
): Promise<GatewayProcess> {
  const { key, ...answer } = street.authority.issue("gateway", "gateway", street.controlPlane.keys);
  const secret = (name: string, text: string): string => {
    mkdirSync(join(data, "gateway"), { recursive: true });
    writeFileSync(join(data, name), text);
    return join(data, name);
  };
  secret("gateway/key.pem", key);
  secret("gateway/certificate.json", JSON.stringify(answer));
  const [port, ssh, tasks, admin] = await Promise.all(
    ["LISTEN", "SSH_LISTEN", "TASKS_LISTEN", "ADMIN_LISTEN"].map(
      async (name) => portOf(settings[name]) ?? (await freePort()),
    ),
  );
  if (port === undefined || ssh === undefined) throw new Error("there is no free port");
  const variables: Record<string, string> = {
    DATA_FOLDER: data,
    INSTALLATION: "test",
    LISTEN: `127.0.0.1:${port}`,
    SSH_LISTEN: `127.0.0.1:${ssh}`,
    TASKS_LISTEN: `127.0.0.1:${tasks}`,
    ADMIN_LISTEN: `127.0.0.1:${admin}`,
    CONTROL_PLANE_URL: street.controlPlane.url,
    CONTROL_PLANE_PUBLIC_URL: street.controlPlane.url,
    GATEWAY_TOKEN_FILE: secret("token", TOKEN),
    REDIS_URL: street.redis.url,
    ENROL_URL: "https://127.0.0.1:1",
    CA_FINGERPRINT_FILE: secret("ca", "0".repeat(64)),
    ENROL_TOKEN_FILE: secret("join", "token"),
    SESSION_KEY_FILE: secret("session", "ab".repeat(32)),
    STOP_GRACE_MS: "500",
    ...settings,
  };
  const named = Object.entries(variables).map(([name, value]) => [`GITSPACES_${name}`, value]);
  const child = spawn(process.execPath, [new URL("../main.ts", import.meta.url).pathname], {
    env: {
      PATH: settings["PATH"] ?? process.env["PATH"],
      NOTIFY_SOCKET: settings["NOTIFY_SOCKET"],
      ...Object.fromEntries(named),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const members = (): Member[] => new Crew(data).others();
  const ready = async (): Promise<number> =>
    new Promise((resolve) => {
      get(`http://127.0.0.1:${admin}/readyz`, { agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).once("error", () => resolve(0));
    });
  const gateway: GatewayProcess = {
    port,
    sshPort: ssh,
    child,
    data,
    settings: variables,
    output: () => text,
    members,
    ready,
    current() {
      const found = members().find(({ role }) => role === "current");
      if (found === undefined) throw new Error(`nobody is current: ${text.slice(-2_000)}`);
      return found;
    },
    successors() {
      const known = members().map(({ pid }) => pid);
      return readdirSync("/proc")
        .map(Number)
        .filter((pid) => pid > 0 && !known.includes(pid) && isSuccessorOn(pid, data));
    },
    async handOver() {
      const before = gateway.current();
      process.kill(before.pid, "SIGHUP");
      await eventually("another process is current", 30_000, () => {
        const failed = members().find(({ pid }) => pid === before.pid)?.failed;
        if (failed !== undefined && failed.at >= before.since && failed.at !== before.failed?.at)
          throw new Error(failed.reason);
        const now = members().filter(({ role }) => role === "current");
        return now.length === 1 && now[0]?.pid !== before.pid;
      });
      return gateway.current().pid;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        await once(child, "exit");
      }
      for (const { pid } of members()) process.kill(pid, "SIGKILL");
      rmSync(data, { recursive: true, force: true });
    },
  };
  await eventually("the gateway is ready", 20_000, () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${text}`);
    return text.includes("gateway ready");
  });
  return gateway;
}

/** Waits until it is so. An error is one at once. */
export async function eventually(
  what: string,
  withinMs: number,
  isSo: () => boolean | Promise<boolean>,
): Promise<void> {
  for (const until = performance.now() + withinMs; !(await isSo()); await sleep(20))
    if (performance.now() > until) throw new Error(`it never came true that ${what}`);
}

export function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024;
}

function isSuccessorOn(pid: number, data: string): boolean {
  try {
    const env = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    const isOurs = env.includes(`GITSPACES_DATA_FOLDER=${data}`) && command.includes("/main.ts");
    return isOurs && !command.startsWith("/bin/sh") && env.some((each) => each.startsWith("GITSPACES_PREDECESSOR="));
  } catch {
    return false;
  }
}

function portOf(listen: string | undefined): number | undefined {
  return listen === undefined ? undefined : Number(listen.split(":").at(-1));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
