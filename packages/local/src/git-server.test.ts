import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startGitServer } from "./git-server.ts";
import { keepSample } from "./sample.ts";

const run = promisify(execFile);
const token = "a-token-of-some-length";
let folder: string;
let server: Awaited<ReturnType<typeof startGitServer>>;
const env = { PATH: process.env["PATH"], GIT_CONFIG_GLOBAL: "/dev/null", GIT_TERMINAL_PROMPT: "0" };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "git-server-"));
  server = await startGitServer({ folder: await keepSample(folder), host: "127.0.0.1", port: 0, token });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const withToken = () => server.url("hello").replace("http://", `http://oauth2:${token}@`);

test("the sample is cloned and pushed to by whoever has the token", async () => {
  const clone = join(folder, "clone");
  await run("git", ["clone", "--quiet", withToken(), clone], { env });
  expect(readFileSync(join(clone, "README.md"), "utf8")).toContain("port 3000");
  expect(readFileSync(join(clone, ".devcontainer/devcontainer.json"), "utf8")).toContain("postCreateCommand");
  const large = Buffer.alloc(3_000_000, Math.random().toString(36));
  writeFileSync(join(clone, "large.bin"), large);
  const as = ["-c", "user.name=Ada", "-c", "user.email=ada@example.test"];
  await run("git", ["-C", clone, "add", "--all"], { env });
  await run("git", ["-C", clone, ...as, "commit", "--quiet", "--message", "A large file"], { env });
  await run("git", ["-C", clone, "push", "--quiet"], { env });
  await run("git", ["clone", "--quiet", withToken(), join(folder, "again")], { env });
  expect(readFileSync(join(folder, "again/large.bin")).equals(large)).toBe(true);
});

test("without the token, or with another, there is nothing to read", async () => {
  const path = "/info/refs?service=git-upload-pack";
  const answer = await fetch(server.url("hello") + path);
  expect(answer.status).toBe(401);
  expect(answer.headers.get("www-authenticate")).toContain("Basic");
  const wrong = { authorization: `Basic ${Buffer.from("oauth2:wrong").toString("base64")}` };
  expect((await fetch(server.url("hello") + path, { headers: wrong })).status).toBe(401);
});

test("a repository that is not there and a path that climbs out are not found", async () => {
  const authorization = `Basic ${Buffer.from(`oauth2:${token}`).toString("base64")}`;
  const get = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`, { headers: { authorization } });
  expect((await get("/absent.git/info/refs?service=git-upload-pack")).status).toBe(404);
  expect((await get("/..%2f..%2fetc/passwd")).ok).toBe(false);
});

test("a sample that is there stays as its people left it", async () => {
  const head = async () => (await run("git", ["-C", join(folder, "sample/hello.git"), "rev-parse", "main"])).stdout;
  const before = await head();
  await keepSample(folder);
  expect(await head()).toBe(before);
});
