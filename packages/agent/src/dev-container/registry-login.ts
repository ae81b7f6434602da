// Credentials of private registries, for as long as a dev container is raised: a folder in memory that only root reads.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type Registry = { host: string; username: string; password: string };
export type RegistryLogin = Disposable & { folder: string };

/** Makes the folder for `DOCKER_CONFIG`; disposing removes it. One that was left behind is replaced. */
export function lendRegistryLogin(registries: readonly Registry[], runFolder: string): RegistryLogin {
  const folder = join(runFolder, "docker-config");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const auths = Object.fromEntries(
    registries.map(({ host, username, password }) => [
      host,
      { auth: Buffer.from(`${username}:${password}`).toString("base64") },
    ]),
  );
  writeFileSync(join(folder, "config.json"), JSON.stringify({ auths }), { mode: 0o600 });
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
