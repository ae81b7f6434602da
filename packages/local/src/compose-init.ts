// What a composed installation keeps secret: made once, then handed out, so that each service has its own files and no others.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readSecret } from "@gitspaces/daemon";
import { keepInstallation } from "./installation.ts";
import { redisAcl, redisConfig } from "./redis-config.ts";
import { makeSecrets, type RedisUser, redisUsers, type SecretFiles } from "./secrets.ts";

export const composedServices = ["control-plane", "delegate", "runner", "gateway", "redis"] as const;
export type ComposedService = (typeof composedServices)[number];
type Files = Record<string, string>;

export type ComposedInstallation = {
  installation: string;
  /** The contents of each service's files, by name. */
  files: Record<ComposedService, Files>;
};

/** Where a service finds its own folder, and Redis its data. */
export const SECRETS_FOLDER = "/secrets";
export const REDIS_DATA_FOLDER = "/redis-data";
const REDIS_PORT = 6_379;

/** What another control plane gave to this installation, by the name of its file. */
const givenNames = ["delegate-token", "gateway-token", "control-plane-keys.json"] as const;

/**
 * Makes what is missing in `folder` and gives what each service should find in its own. What lies in `givenFolder` comes from the
 * installation's control plane and replaces what was made here.
 */
export async function composeInstallation(folder: string, givenFolder: string): Promise<ComposedInstallation> {
  const installation = keepInstallation(folder);
  const secrets = await makeSecrets(folder);
  for (const name of givenNames) {
    const given = join(givenFolder, name);
    if (existsSync(given)) keepFile(join(secrets.folder, name), readFileSync(given, "utf8"));
  }
  return { installation, files: handedOut(installation, secrets) };
}

/** Writes files that only their owner reads, each in one step and only when it differs: its service may be reading it. */
export function keepFiles(folder: string, files: Files): void {
  for (const [name, text] of Object.entries(files)) keepFile(join(folder, name), text);
}

function keepFile(file: string, text: string): void {
  if (existsSync(file) && readFileSync(file, "utf8") === text) return;
  mkdirSync(join(file, ".."), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}

function handedOut(installation: string, secrets: SecretFiles): ComposedInstallation["files"] {
  const text = (file: string) => `${readSecret(file)}\n`;
  const passwords = Object.fromEntries(
    redisUsers.map((user) => [user, readSecret(secrets.redisPassword[user])]),
  ) as Record<RedisUser, string>;
  return {
    "control-plane": {
      ...settings(installation, {
        delegateTokenFile: "delegate-token",
        gatewayTokenFile: "gateway-token",
        adminTokenFile: "admin-token",
        signingKeyFile: "signing-key.json",
        secretsKeyFile: "secrets-key",
      }),
      "delegate-token": text(secrets.delegateToken),
      "gateway-token": text(secrets.gatewayToken),
      "admin-token": text(secrets.adminToken),
      "signing-key.json": text(secrets.signingKey),
      "control-plane-keys.json": text(secrets.controlPlaneKeys),
      "secrets-key": text(secrets.secretsKey),
    },
    delegate: {
      ...settings(installation, {
        delegateTokenFile: "delegate-token",
        redisPasswordFile: "redis-password",
        caFingerprintFile: "ca-fingerprint",
        enrolTokenFile: "enrol-token",
      }),
      "delegate-token": text(secrets.delegateToken),
      "redis-password": text(secrets.redisPassword.delegate),
      "enrol-token": text(secrets.delegateEnrolToken),
    },
    runner: {
      ...settings(installation, {
        redisPasswordFile: "redis-password",
        controlPlaneKeysFile: "control-plane-keys.json",
        delegateEnrolTokenFile: "delegate-enrol-token",
        gatewayEnrolTokenFile: "gateway-enrol-token",
      }),
      "redis-password": text(secrets.redisPassword.runner),
      "control-plane-keys.json": text(secrets.controlPlaneKeys),
      "delegate-enrol-token": text(secrets.delegateEnrolToken),
      "gateway-enrol-token": text(secrets.gatewayEnrolToken),
    },
    gateway: {
      ...settings(installation, {
        gatewayTokenFile: "gateway-token",
        redisPasswordFile: "redis-password",
        caFingerprintFile: "ca-fingerprint",
        enrolTokenFile: "enrol-token",
        sessionKeyFile: "session-key",
      }),
      "gateway-token": text(secrets.gatewayToken),
      "redis-password": text(secrets.redisPassword.gateway),
      "enrol-token": text(secrets.gatewayEnrolToken),
      "session-key": text(secrets.sessionKey),
    },
    redis: {
      "redis.conf": [
        redisConfig({ port: 0, folder: REDIS_DATA_FOLDER, aclFile: join(SECRETS_FOLDER, "users.acl") }).trimEnd(),
        // It speaks to other machines, so only over TLS; who they are, their passwords tell.
        "bind *",
        `tls-port ${REDIS_PORT}`,
        `tls-cert-file ${SECRETS_FOLDER}/certificate.pem`,
        `tls-key-file ${SECRETS_FOLDER}/key.pem`,
        "tls-auth-clients no",
        "",
      ].join("\n"),
      "users.acl": redisAcl(passwords),
    },
  };
}

/** A daemon's `settings.yml`: the installation, and where its secrets are. */
function settings(installation: string, secretFiles: Files): Files {
  const lines = Object.entries(secretFiles).map(([key, name]) => `${key}: ${join(SECRETS_FOLDER, name)}`);
  return { "settings.yml": [`installation: "${installation}"`, ...lines, ""].join("\n") };
}
