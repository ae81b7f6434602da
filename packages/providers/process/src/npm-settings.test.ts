import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { npmEnvironment } from "./npm-settings.ts";

let root: string;
beforeEach(async () => void (root = await mkdtemp(join(tmpdir(), "gitspaces-npm-"))));
afterEach(async () => await rm(root, { recursive: true, force: true }));

/** A place with a Node, and an npm that names its global configuration as the real one does: beside the first Node on the path. */
async function place(name: string, programs: readonly ("node" | "npm")[]): Promise<string> {
  const bin = join(root, name, "bin");
  await mkdir(bin, { recursive: true });
  await mkdir(join(root, name, "etc"));
  await writeFile(join(root, name, "etc/npmrc"), "cafile=/etc/ssl/company.pem\n");
  const texts = {
    node: "#!/bin/sh\n",
    npm: `#!/bin/sh
[ -z "$npm_config_prefix" ] || exit 1
[ "$*" = "config get globalconfig" ] && echo "$(dirname "$(dirname "$(command -v node)")")/etc/npmrc"\n`,
  };
  for (const program of programs) {
    await writeFile(join(bin, program), texts[program]);
    await chmod(join(bin, program), 0o755);
  }
  return bin;
}
const system = "/usr/bin:/bin";
const { signal } = new AbortController();

test("npm under our Node is told the global configuration of the machine's npm", async () => {
  const [machine, checkout] = [await place("machine", ["node", "npm"]), await place("node_modules", ["node"])];
  const env = { PATH: `${checkout}:${machine}:${system}`, HOME: root };
  expect(await npmEnvironment(env, signal)).toEqual({ ...env, npm_config_globalconfig: join(machine, "../etc/npmrc") });
});

test("settings of an npm around us are left out, those that say how to reach a registry are kept", async () => {
  const machine = await place("machine", ["node", "npm"]);
  const env = { PATH: `${machine}:${system}`, npm_config_cafile: "/etc/ssl/mine.pem" };
  const around = { npm_config_prefix: "/elsewhere", npm_lifecycle_event: "test", npm_config_yes: "true" };
  expect(await npmEnvironment({ ...env, ...around }, signal)).toEqual({
    ...env,
    npm_config_globalconfig: join(machine, "../etc/npmrc"),
  });
});

test("a global configuration that was named is not asked for", async () => {
  const env = { PATH: `${await place("machine", ["node", "npm"])}:${system}`, NPM_CONFIG_GLOBALCONFIG: "/etc/mine" };
  expect(await npmEnvironment(env, signal)).toEqual(env);
});

test("without an npm that could say, npm goes by itself", async () => {
  const env = { PATH: await place("bare", []) };
  expect(await npmEnvironment(env, signal)).toEqual(env);
});

test("a global configuration that is not there is not named", async () => {
  const machine = await place("machine", ["node", "npm"]);
  await rm(join(root, "machine/etc/npmrc"));
  const env = { PATH: `${machine}:${system}` };
  expect(await npmEnvironment(env, signal)).toEqual(env);
});
