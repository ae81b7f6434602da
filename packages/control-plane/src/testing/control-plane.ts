// A control plane on free ports with secrets of its own, and what a person, a delegate and a gateway say to it.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, createLog } from "@gitspaces/daemon";
import { Config, type ControlPlane, startControlPlane } from "../index.ts";

export const ACCOUNT = "account-1";

export type TestControlPlane = {
  url: string;
  adminUrl: string;
  folder: string;
  delegateSecret: string;
  gatewayToken: string;
  adminToken: string;
  /** A request with the administrator's token unless `headers` say who else. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Stops and starts it again on the same data, with changes to its configuration; a function happens while it is away. */
  restart(between?: (() => Promise<void>) | Partial<Config>): Promise<void>;
} & AsyncDisposable;

type Changes = Record<string, unknown> & { clock?: Clock; lookEveryMs?: number };

/** Starts one; disposing it removes its folder. */
export async function testControlPlane({ clock, lookEveryMs, ...changes }: Changes = {}): Promise<TestControlPlane> {
  const folder = mkdtempSync(join(tmpdir(), "gs-control-plane-"));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), `${text}\n`, { mode: 0o600 });
    return join(folder, name);
  };
  const delegateSecret = randomBytes(16).toString("hex");
  const gatewayToken = randomBytes(32).toString("hex");
  const adminToken = `gsp_${randomBytes(32).toString("base64url")}`;
  const jwk = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const config = Config.parse({
    dataFolder: folder,
    installation: "test",
    listen: "127.0.0.1:0",
    adminListen: "127.0.0.1:0",
    publicUrl: "http://localhost:7400",
    accountId: ACCOUNT,
    delegateTokenFile: file("delegate-token", delegateSecret),
    gatewayTokenFile: file("gateway-token", gatewayToken),
    adminTokenFile: file("admin-token", adminToken),
    signingKeyFile: file("signing-key", JSON.stringify({ ...jwk, kid: "test-1" })),
    secretsKeyFile: file("secrets-key", randomBytes(32).toString("hex")),
    deleteGraceMs: 0,
    ...changes,
  });
  const log = createLog("control-plane-test", "error");
  const options = {
    log,
    ...(clock === undefined ? {} : { clock }),
    ...(lookEveryMs === undefined ? {} : { lookEveryMs }),
  };
  let running: ControlPlane = await startControlPlane(config, options);

  const call = (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = { authorization: `Bearer ${adminToken}` },
  ) =>
    fetch(`${running.url}${path}`, {
      method,
      redirect: "manual",
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  return {
    get url() {
      return running.url;
    },
    get adminUrl() {
      return running.adminUrl;
    },
    folder,
    delegateSecret,
    gatewayToken,
    adminToken,
    call,
    async restart(between) {
      await running[Symbol.asyncDispose]();
      if (typeof between === "function") await between();
      else Object.assign(config, between);
      running = await startControlPlane(config, options);
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Waits until `look` gives something. @throws when nothing came within five seconds. */
export async function eventually<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
  const until = performance.now() + 5_000;
  while (performance.now() < until) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not come`);
}
