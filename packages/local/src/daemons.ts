// The five daemons of a local installation as programs: each gets exactly the settings it reads. Pure.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { speaksTls } from "./edge-settings.ts";
import type { Ports } from "./ports.ts";
import type { Program } from "./program.ts";
import type { SecretFiles } from "./secrets.ts";
import type { OpenGround } from "./vm-ground.ts";

export type Layout = {
  dataFolder: string;
  installation: string;
  ports: Ports;
  secrets: SecretFiles;
  /** See `edgeSettings`. */
  edge: Readonly<Record<string, string>>;
  /** See `sharingSettings`. */
  sharing: Readonly<Record<string, string>>;
  ground: Pick<OpenGround, "hostAddress" | "singleUser" | "runnerSettings">;
};

const root = fileURLToPath(new URL("../../../", import.meta.url));
const ACCOUNT = "local";
const loopback = (port: number) => `127.0.0.1:${port}`;

export type DaemonName = "control-plane" | "delegate" | "runner" | "gateway";
export type DaemonProgram = Program & { name: DaemonName; adminPort: number };

/** Each daemon's program, in the order in which they are needed. */
export function daemonPrograms(layout: Layout): Record<DaemonName, DaemonProgram> {
  return {
    "control-plane": controlPlane(layout),
    delegate: delegate(layout),
    runner: runner(layout),
    gateway: gateway(layout),
  };
}

function daemon(
  layout: Layout,
  name: DaemonName,
  main: string,
  adminPort: number,
  settings: Record<string, string>,
): DaemonProgram {
  return {
    name,
    command: process.execPath,
    args: ["--disable-warning=ExperimentalWarning", ...ownFlags(name), join(root, main)],
    adminPort,
    env: {
      // glibc would keep an arena per core for the few threads of Node's pool.
      MALLOC_ARENA_MAX: "2",
      GITSPACES_DATA_FOLDER: layout.dataFolder,
      GITSPACES_INSTALLATION: layout.installation,
      GITSPACES_ADMIN_LISTEN: loopback(adminPort),
      ...settings,
    },
  };
}

/**
 * Delegate and runner mostly wait: a small nursery (measured: 15 to 28 MB less) costs them nothing. The others carry traffic.
 * http-proxy uses a call that Node has deprecated; nobody who reads the gateway's log can mend that.
 */
function ownFlags(name: DaemonName): string[] {
  if (name === "gateway") return ["--disable-warning=DEP0060"];
  return name === "control-plane" ? [] : ["--max-semi-space-size=2"];
}

function controlPlane(layout: Layout): DaemonProgram {
  const { ports, secrets, ground } = layout;
  return daemon(layout, "control-plane", "packages/control-plane/src/main.ts", ports.control_plane_admin, {
    GITSPACES_LISTEN: loopback(ports.control_plane),
    GITSPACES_PUBLIC_URL: publicUrl(ports),
    GITSPACES_GITSPACES_URL: gitspacesUrl(layout),
    GITSPACES_ACCOUNT_ID: ACCOUNT,
    GITSPACES_DELEGATE_TOKEN_FILE: secrets.delegateToken,
    GITSPACES_GATEWAY_TOKEN_FILE: secrets.gatewayToken,
    GITSPACES_ADMIN_TOKEN_FILE: secrets.adminToken,
    GITSPACES_SIGNING_KEY_FILE: secrets.signingKey,
    GITSPACES_SECRETS_KEY_FILE: secrets.secretsKey,
    GITSPACES_SINGLE_USER: String(ground.singleUser),
    ...layout.sharing,
  });
}

function delegate(layout: Layout): DaemonProgram {
  const { ports, secrets } = layout;
  return daemon(layout, "delegate", "apps/delegate/src/main.ts", ports.delegate_admin, {
    GITSPACES_CONTROL_PLANE_URL: `http://${loopback(ports.control_plane)}`,
    GITSPACES_ACCOUNT_ID: ACCOUNT,
    GITSPACES_DELEGATE_NAME: "local",
    GITSPACES_DELEGATE_TOKEN_FILE: secrets.delegateToken,
    ...redisAs("delegate", layout),
    GITSPACES_GATEWAY_TASKS_URL: `https://${loopback(ports.gateway_tasks)}`,
    ...enrolment(layout, secrets.delegateEnrolToken),
  });
}

function runner(layout: Layout): DaemonProgram {
  const { dataFolder, ports, secrets, ground } = layout;
  return daemon(layout, "runner", "apps/runner/src/main.ts", ports.runner_admin, {
    ...redisAs("runner", layout),
    GITSPACES_POOL_FILE: join(dataFolder, "pool.yml"),
    ...ground.runnerSettings,
    GITSPACES_ENROL_LISTEN: `${ground.hostAddress}:${ports.enrolment}`,
    GITSPACES_ENROL_URL: enrolUrl(layout),
    GITSPACES_CONTROL_PLANE_KEYS_FILE: secrets.controlPlaneKeys,
    GITSPACES_DELEGATE_ENROL_TOKEN_FILE: secrets.delegateEnrolToken,
    GITSPACES_GATEWAY_ENROL_TOKEN_FILE: secrets.gatewayEnrolToken,
  });
}

function gateway(layout: Layout): DaemonProgram {
  const { ports, secrets } = layout;
  return daemon(layout, "gateway", "apps/gateway/src/main.ts", ports.gateway_admin, {
    GITSPACES_LISTEN: loopback(ports.gateway),
    GITSPACES_TASKS_LISTEN: loopback(ports.gateway_tasks),
    GITSPACES_SSH_LISTEN: loopback(ports.gateway_ssh),
    GITSPACES_DOMAIN: "gitspaces.localhost",
    GITSPACES_PUBLIC_URL: gitspacesUrl(layout),
    // A browser that once came to a name of this machine by TLS shall not be kept from it without.
    GITSPACES_HSTS_SECONDS: "0",
    ...layout.edge,
    GITSPACES_CONTROL_PLANE_URL: `http://${loopback(ports.control_plane)}`,
    GITSPACES_CONTROL_PLANE_PUBLIC_URL: publicUrl(ports),
    GITSPACES_GATEWAY_NAME: "local",
    GITSPACES_GATEWAY_TOKEN_FILE: secrets.gatewayToken,
    ...redisAs("gateway", layout),
    ...enrolment(layout, secrets.gatewayEnrolToken),
    GITSPACES_SESSION_KEY_FILE: secrets.sessionKey,
  });
}

function redisAs(user: "delegate" | "runner" | "gateway", { ports, secrets }: Layout): Record<string, string> {
  return {
    GITSPACES_REDIS_URL: `redis://${user}@${loopback(ports.redis)}`,
    GITSPACES_REDIS_PASSWORD_FILE: secrets.redisPassword[user],
  };
}

function enrolment(layout: Layout, tokenFile: string): Record<string, string> {
  return {
    GITSPACES_ENROL_URL: enrolUrl(layout),
    GITSPACES_CA_FINGERPRINT_FILE: join(layout.dataFolder, "ca", "fingerprint"),
    GITSPACES_ENROL_TOKEN_FILE: tokenFile,
  };
}

function enrolUrl({ ground, ports }: Layout): string {
  return `https://${ground.hostAddress}:${ports.enrolment}`;
}

/** Where people meet the control plane. */
export function publicUrl(ports: Ports): string {
  return `http://localhost:${ports.control_plane}`;
}

function gitspacesUrl({ ports, edge }: Layout): string {
  return `${speaksTls(edge) ? "https" : "http"}://gitspaces.localhost:${ports.gateway}`;
}
