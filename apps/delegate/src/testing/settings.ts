// The settings of a delegate under test, and the folder that holds its data and secrets.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog } from "@gitspaces/daemon";
import { type Config, ConfigSchema } from "../config.ts";
import { ACCOUNT, SECRET } from "./control-plane.ts";

export type TestSettings = { config: Config; variables: Record<string, string>; folder: string } & Disposable;
type Places = { controlPlaneUrl: string; redisUrl: string; gatewayTasksUrl?: string; slots?: number };

/** Secrets are files, as in life; nothing listens where enrolment would. */
export function makeSettings({ gatewayTasksUrl = "https://127.0.0.1:9", slots = 16, ...places }: Places): TestSettings {
  const folder = mkdtempSync(join(tmpdir(), "delegate-"));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const raw = {
    ...places,
    gatewayTasksUrl,
    dataFolder: folder,
    adminListen: "127.0.0.1:0",
    logLevel: "error",
    installation: "local-test",
    accountId: ACCOUNT,
    delegateTokenFile: file("delegate.token", `${SECRET}\n`),
    delegateName: "delegate-1",
    tags: "pool-a, pool-b",
    enrolUrl: "https://127.0.0.1:9",
    caFingerprintFile: file("fingerprint", "0".repeat(64)),
    enrolTokenFile: file("enrol.token", "t".repeat(32)),
  };
  const variables = Object.fromEntries(
    Object.entries({ ...raw, slots: String(slots) }).map(([key, value]) => [
      `GITSPACES_${key.replaceAll(/[A-Z]/g, "_$&").toUpperCase()}`,
      value,
    ]),
  );
  const config = ConfigSchema.parse({ ...raw, slots });
  return { config, variables, folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

export const quiet = createLog("delegate", "silent");
