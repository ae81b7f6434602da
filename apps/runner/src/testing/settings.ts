// The settings of a runner under test, and the files that they name.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

type Where = { folder: string; redisUrl: string; port: number };

/** As `RunnerConfig` reads them; `more` replaces or adds. */
export function runnerSettings({ folder, redisUrl, port }: Where, more: Record<string, unknown> = {}) {
  const write = (name: string, text: string) => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return file;
  };
  const keys = { keys: [{ kty: "OKP", crv: "Ed25519", x: "AA", kid: "one" }] };
  return {
    dataFolder: folder,
    installation: "local-test",
    redisUrl,
    poolFile: join(folder, "pool.yml"),
    imagesFolder: folder,
    isolation: "none",
    enrolListen: `127.0.0.1:${port}`,
    enrolUrl: `https://127.0.0.1:${port}`,
    controlPlaneKeysFile: write("keys.json", JSON.stringify(keys)),
    delegateEnrolTokenFile: write("token", randomBytes(24).toString("hex")),
    gatewayEnrolTokenFile: write("gateway-token", randomBytes(24).toString("hex")),
    ...more,
  };
}
