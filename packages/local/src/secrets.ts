// Everything secret of a local installation, made once: files only their owner can read, and no secret anywhere else.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportJWK, generateKeyPair } from "jose";

export const redisUsers = ["local", "runner", "delegate", "gateway"] as const;
export type RedisUser = (typeof redisUsers)[number];

/** Paths of the secret files, by name. */
export type SecretFiles = {
  folder: string;
  adminToken: string;
  delegateToken: string;
  gatewayToken: string;
  signingKey: string;
  /** Public: a JWK set. */
  controlPlaneKeys: string;
  secretsKey: string;
  sessionKey: string;
  delegateEnrolToken: string;
  gatewayEnrolToken: string;
  sampleToken: string;
  redisPassword: Record<RedisUser, string>;
};

const token = (bytes: number) => () => randomBytes(bytes).toString("base64url");
const hex = (bytes: number) => () => randomBytes(bytes).toString("hex");

/** Makes what is missing under `<dataFolder>/secrets` and gives the paths. What is there is never replaced. */
export async function makeSecrets(dataFolder: string): Promise<SecretFiles> {
  const folder = join(dataFolder, "secrets");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const keep = (name: string, make: () => string) => keepFile(join(folder, name), make);
  const files: SecretFiles = {
    folder,
    adminToken: keep("admin-token", () => `gsp_${token(32)()}`),
    // The delegate protocol uses the token's 16 bytes as a key, so its length and alphabet are given.
    delegateToken: keep("delegate-token", hex(16)),
    gatewayToken: keep("gateway-token", token(32)),
    signingKey: join(folder, "signing-key.json"),
    controlPlaneKeys: join(folder, "control-plane-keys.json"),
    secretsKey: keep("secrets-key", hex(32)),
    sessionKey: keep("session-key", hex(32)),
    delegateEnrolToken: keep("delegate-enrol-token", token(32)),
    gatewayEnrolToken: keep("gateway-enrol-token", token(32)),
    sampleToken: keep("sample-token", token(24)),
    redisPassword: Object.fromEntries(
      redisUsers.map((user) => [user, keep(`redis-${user}-password`, token(32))]),
    ) as Record<RedisUser, string>,
  };
  await keepSigningKey(files);
  return files;
}

function keepFile(file: string, make: () => string): string {
  if (existsSync(file)) return file;
  writeFileSync(`${file}.new`, `${make()}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return file;
}

/** The control plane's Ed25519 key: private for it alone, public for those who verify what it signs (RFC 8037). */
async function keepSigningKey(files: SecretFiles): Promise<void> {
  if (!existsSync(files.signingKey)) {
    const { privateKey } = await generateKeyPair("Ed25519", { extractable: true });
    const jwk = { ...(await exportJWK(privateKey)), alg: "EdDSA", use: "sig", kid: randomBytes(8).toString("hex") };
    keepFile(files.signingKey, () => JSON.stringify(jwk));
  }
  const { d: _private, ...shown } = JSON.parse(readFileSync(files.signingKey, "utf8")) as Record<string, string>;
  const keys = `${JSON.stringify({ keys: [shown] })}\n`;
  writeFileSync(`${files.controlPlaneKeys}.new`, keys, { mode: 0o600 });
  renameSync(`${files.controlPlaneKeys}.new`, files.controlPlaneKeys);
}
