// What npm has to be told when it runs under our Node, so that it reaches the registry as it does for everybody on this machine.
import { existsSync } from "node:fs";
import { delimiter } from "node:path";
import { attempt } from "./command.ts";

/** Settings of npm that say how to reach a registry. Others belong to an npm that may be running around us. */
const keptSettings =
  /^npm_config_(?:registry|cafile|cache|userconfig|globalconfig|https_proxy|proxy|noproxy|strict_ssl|fetch_.*)$/i;
const ASK_DEADLINE_MS = 20_000;

/**
 * The environment for npm under another Node: `env` without the settings of an npm around us, and with the machine's own global
 * configuration. npm looks for that one beside the Node it runs under, where a company's certificates and proxies are not.
 */
export async function npmEnvironment(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<NodeJS.ProcessEnv> {
  const kept = Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^npm_/i.test(name) || keptSettings.test(name)),
  );
  if (Object.keys(kept).some((name) => /^npm_config_globalconfig$/i.test(name))) return kept;
  const file = await globalConfig(kept, signal);
  return file === undefined ? kept : { ...kept, npm_config_globalconfig: file };
}

/** The file as the machine's npm names it under the machine's Node; nothing when it cannot say, or there is none. */
async function globalConfig(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string | undefined> {
  const folders = (env["PATH"] ?? "/usr/bin:/bin").split(delimiter);
  const PATH = folders.filter((folder) => !folder.split("/").includes("node_modules")).join(delimiter);
  const asked = await attempt("npm", ["config", "get", "globalconfig"], {
    env: { ...env, PATH },
    cwd: "/",
    signal,
    timeoutMs: ASK_DEADLINE_MS,
  }).catch(() => undefined);
  const file = asked?.stdout.trim();
  return asked?.code === 0 && file?.startsWith("/") && existsSync(file) ? file : undefined;
}
