// devcontainer.json: where it may be, how it is read, what of it is done.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FailureError } from "@gitspaces/contracts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseDevcontainer, readDevcontainer } from "./devcontainer.ts";
import { planDevcontainer, substitute, withVariables } from "./devcontainer-plan.ts";
import { partsOf } from "./hooks.ts";

let folder: string;
let repository: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "agent-devcontainer-"));
  repository = join(folder, "repository");
  mkdirSync(join(repository, ".devcontainer"), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

function refusal(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    if (error instanceof FailureError) return error.failure;
    throw error;
  }
  return "not refused";
}

test("the usual places are looked at in their order, and none is no error", () => {
  expect(readDevcontainer(repository, undefined)).toBeUndefined();
  writeFileSync(join(repository, ".devcontainer.json"), '{ "name": "second" }');
  expect(readDevcontainer(repository, undefined)).toMatchObject({ content: { name: "second" } });
  writeFileSync(join(repository, ".devcontainer/devcontainer.json"), '\uFEFF{ "name": "first" } // yes');
  expect(readDevcontainer(repository, undefined)).toMatchObject({ content: { name: "first" } });
});

test("a path of one's own may name any file of the repository and none outside of it", () => {
  writeFileSync(join(repository, "own.json"), "{}");
  writeFileSync(join(folder, "outside.json"), "{}");
  symlinkSync(join(folder, "outside.json"), join(repository, "link.json"));
  symlinkSync("/etc/passwd", join(repository, ".devcontainer/devcontainer.json"));
  expect(readDevcontainer(repository, "own.json")).toMatchObject({ path: "own.json" });
  for (const path of ["../outside.json", "link.json", join(folder, "outside.json"), "/etc/passwd", "missing", "."]) {
    expect(refusal(() => readDevcontainer(repository, path))).toMatchObject({
      code: "bad_request",
      field: "devcontainerPath",
    });
  }
  expect(refusal(() => readDevcontainer(repository, undefined))).toMatchObject({ code: "bad_request" });
});

test.each([
  ["[]", 1, 1],
  ["", 1, 1],
  ['{\n  "name": "x"\n  "image": "y"\n}', 3, 3],
  ['{\n  "containerEnv": { "A": 1 }\n}', 2, 26],
  ['{ "postStartCommand": [] }', 1, 23],
])("what cannot be read names its line and column: %s", (text, line, column) => {
  expect(refusal(() => parseDevcontainer(text, "d.json"))).toMatchObject({
    code: "devcontainer_invalid",
    details: { line, column },
  });
});

test("what is asked for and not done is named, one sentence each", () => {
  const content = parseDevcontainer('{ "image": "x", "mounts": [], "hostRequirements": {}, "name": "n" }', "d.json");
  expect(planDevcontainer(content, "/home/dev/x", {}).notApplied).toEqual([
    '"image" was not applied: the Gitspace runs without a container.',
    '"mounts" was not applied: the Gitspace runs without a container.',
    '"hostRequirements" was not applied: it is not supported here.',
  ]);
});

test("variables of the specification are filled in", () => {
  const env = { PATH: "/bin" };
  const fill = (text: string) => substitute(text, "/home/dev/x", env);
  expect(fill("${containerEnv:PATH}:/opt")).toBe("/bin:/opt");
  expect(fill("${localEnv:NONE:a:b}|${localEnv:NONE}")).toBe("a:b|");
  expect(fill("${containerWorkspaceFolder} ${localWorkspaceFolderBasename} ${other}")).toBe("/home/dev/x x ${other}");
  expect(withVariables({ A: "1", B: "2" }, { A: null, C: "3" })).toEqual({ B: "2", C: "3" });
});

test("a hook's text is for a shell, its list is not, its object is both side by side", () => {
  expect(partsOf("h", "a && b")).toEqual([{ label: "h", program: "/bin/sh", args: ["-c", "a && b"] }]);
  expect(partsOf("h", ["a", "$(b)"])).toEqual([{ label: "h", program: "a", args: ["$(b)"] }]);
  expect(partsOf("h", { x: "a", y: ["b"] })).toEqual([
    { label: "h.x", program: "/bin/sh", args: ["-c", "a"] },
    { label: "h.y", program: "b", args: [] },
  ]);
});
