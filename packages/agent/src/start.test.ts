// A start from its task to its answer, on a real agent process with a real git server.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSite, SAMPLE, type Site, startVm } from "./testing/agent-process.ts";
import { type GitServer, makeRepository, startGitServer } from "./testing/git-server.ts";

let site: Site;
let git: GitServer;

beforeAll(async () => {
  site = await openSite();
  makeRepository(site.folder, "sample", SAMPLE);
  git = await startGitServer(site.folder);
});
afterAll(async () => {
  await git[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

const author = { name: "Ada Lovelace", email: "ada@example.com" };
const startData = (path: string) => ({
  repository: { url: `${git.origin}${path}` },
  ide: "vs_code_web" as const,
  author,
  secrets: null,
});

test("a start clones the repository, runs its hooks and answers where the IDE opens it", async () => {
  await using vm = await startVm(site);
  await vm.claim();
  const gateway = await vm.as("gateway");
  const { events, answer } = await gateway.perform(
    await site.controlPlane.task("gitspace.start", startData("/sample.git")),
  );
  const folder = join(vm.home, "sample");
  expect(answer).toMatchObject({ outcome: "ok", generation: 1, result: { folder, ports: [] } });
  expect(readFileSync(join(folder, "README.md"), "utf8")).toBe("# Sample\n");
  expect(readFileSync(join(vm.home, "hooks.txt"), "utf8")).toBe("created\nupdated\nstarted\n");
  expect(readFileSync(join(vm.home, "name.txt"), "utf8")).toBe("sample\n");
  const config = readFileSync(join(folder, ".git/config"), "utf8");
  expect(config).toContain("Ada Lovelace");
  expect(config).not.toContain("credential");
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  console.log(events.map((e) => `${e.kind} ${e.message}`).join("\n"), answer);
});
