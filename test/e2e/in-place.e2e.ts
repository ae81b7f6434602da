// What is so only where a Gitspace's programs run in the VM itself, without a dev container.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Failure, Gitspace } from "@gitspaces/contracts";
import { afterAll, expect, inject, test } from "vitest";
import { commandLine } from "./command-line.ts";
import { commitFiles } from "./git-server.ts";
import { provider } from "./provider.ts";

const system = inject("system");
const git = inject("git");
const home = mkdtempSync(join(tmpdir(), "person-"));
const cli = commandLine(system, home);
afterAll(() => rmSync(home, { recursive: true }));

test("a devcontainer.json that is broken is told with line and column; mended, the same Gitspace starts", async () => {
  const file = ".devcontainer/devcontainer.json";
  const path = commitFiles(git.root, "broken", { [file]: '{\n  "name": "Broken",\n  "postCreateCommand": }\n' });
  const ran = await cli(["create", `${git.url}${path}`, "--wait", "--json"]);
  expect(ran.code).toBe(1);
  const { failure, gitspace } = JSON.parse(ran.out) as { failure: Failure; gitspace?: Gitspace };
  expect(failure.code).toBe("devcontainer_invalid");
  expect(failure.message).toContain(`${file}:3:24: value expected`);
  const id = gitspace?.identifier ?? "";

  commitFiles(git.root, "broken", { [file]: '{ "name": "Mended" }\n' });
  expect((await cli(["start", id, "--wait"])).code).toBe(0);
  expect(await cli(["delete", id, "--yes", "--wait"])).toMatchObject({ code: 0, out: `${id} is deleted.\n` });
  expect(await provider.leftOf(system.up.data, id)).toEqual([]);
});
