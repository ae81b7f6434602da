// The proxies that are compared. Each has one core, one worker, sockets kept to the server, and streams what passes.
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { TlsIdentity } from "@gitspaces/daemon/certificates";
import type { Place } from "./load.ts";
import { LOAD_CORE, PROXY_CORE, startPinned, startProgram } from "./pinned.ts";
import { freePort } from "./ports.ts";

/** How a figure's name ends; ours through the tunnel is told beside ours. */
export const names = ["nginx", "haproxy", "chp", "http_proxy", "ours", "tunnel"] as const;
export type Name = (typeof names)[number];
export type Contender = Place & { pid: number; memory?: () => Promise<number> } & AsyncDisposable;

const starters: Record<Name, (backend: number, folder: string) => Promise<Contender>> = {
  nginx: startNginx,
  haproxy: startHaproxy,
  chp: startChp,
  http_proxy: startHttpProxy,
  ours: (backend) => startOurs(backend, false),
  tunnel: (backend) => startOurs(backend, true),
};

export function startContender(name: Name, backend: number, folder: string): Promise<Contender> {
  return starters[name](backend, folder);
}

/** nginx and HAProxy are Debian's; they are installed when that is allowed. @throws with the command when it is not. */
export function needPrograms(): void {
  const missing = Object.entries({ nginx: "nginx-light", haproxy: "haproxy" })
    .filter(([program]) => spawnSync("which", [program]).status !== 0)
    .map(([, debian]) => debian);
  if (missing.length === 0) return;
  const args = ["install", "--yes", "--no-install-recommends", ...missing];
  if (process.getuid?.() !== 0) throw new Error(`Install what is compared first: sudo apt-get ${args.join(" ")}`);
  // Debian starts a service as it installs it; the bench wants only the program.
  execFileSync("apt-get", args, {
    stdio: "ignore",
    env: { ...process.env, RUNLEVEL: "1", DEBIAN_FRONTEND: "noninteractive" },
  });
}

async function startNginx(backend: number, folder: string): Promise<Contender> {
  const port = await freePort();
  const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  const file = join(folder, "nginx.conf");
  writeFileSync(
    file,
    `worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log /dev/null;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 100000000; client_max_body_size 64m; ${scratch.join(" ")}
  upstream inside { server 127.0.0.1:${backend}; keepalive 256; keepalive_requests 100000000; }
  map $http_upgrade $how { default upgrade; "" ""; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://inside; proxy_http_version 1.1; proxy_read_timeout 1h; proxy_send_timeout 1h;
      proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $how;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffering off; proxy_request_buffering off; proxy_buffer_size 16k; proxy_buffers 8 16k;
    }
  }
}\n`,
  );
  return at(port, await startProgram(PROXY_CORE, ["nginx", "-c", file], port));
}

async function startHaproxy(backend: number, folder: string): Promise<Contender> {
  const port = await freePort();
  const file = join(folder, "haproxy.cfg");
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  option http-no-delay
  option forwardfor
  http-reuse always
frontend outside
  bind 127.0.0.1:${port}
  default_backend inside
backend inside
  server one 127.0.0.1:${backend} pool-max-conn 256\n`,
  );
  return at(port, await startProgram(PROXY_CORE, ["haproxy", "-db", "-f", file], port));
}

async function startChp(backend: number): Promise<Contender> {
  const [port, apiPort] = [await freePort(), await freePort()];
  const program = createRequire(import.meta.url).resolve("configurable-http-proxy/bin/configurable-http-proxy");
  const args = ["--ip=127.0.0.1", `--port=${port}`, `--api-port=${apiPort}`, "--api-ip=127.0.0.1", "--log-level=error"];
  const target = `--default-target=http://127.0.0.1:${backend}`;
  return at(port, await startProgram(PROXY_CORE, [process.execPath, program, ...args, target], port));
}

async function startHttpProxy(backend: number): Promise<Contender> {
  const started = await startPinned<{ port: number }>(PROXY_CORE, "http-proxy.ts", { backend });
  return at(started.said.port, started);
}

type Ours = { port: number; host: string; cookie: string; identity: TlsIdentity; idePort: number };

async function startOurs(backend: number, isThroughTunnel: boolean): Promise<Contender> {
  await using opened = new AsyncDisposableStack();
  const ours = opened.use(await startPinned<Ours>(PROXY_CORE, "ours.ts", { backend }));
  const { port, host, cookie, identity, idePort } = ours.said;
  if (isThroughTunnel) {
    const about = { identity, port: idePort, backend };
    const agent = opened.use(await startPinned<number>(LOAD_CORE, "agent.ts", about));
    await ours.ask({ agentPort: agent.said });
  }
  const closing = opened.move();
  const memory = (): Promise<number> => ours.ask("memory");
  return { port, host, cookie, pid: ours.pid, memory, [Symbol.asyncDispose]: () => closing.disposeAsync() };
}

function at(port: number, running: { pid: number } & AsyncDisposable): Contender {
  return {
    port,
    host: "localhost",
    cookie: "",
    pid: running.pid,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
