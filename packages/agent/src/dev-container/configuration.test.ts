// Which configuration of a repository is used, and what is known of a Dockerfile before it is built.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { chooseConfiguration, sourceOf } from "./configuration.ts";
import { baseImages, lastUser } from "./dockerfile.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "configuration-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(path: string, content: object): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), JSON.stringify(content));
}
const choose = (path?: string) => chooseConfiguration(folder, path, "default:1");

test("of several the usual one, then by name; the choice is told", () => {
  write(".devcontainer/b/devcontainer.json", { image: "b" });
  write(".devcontainer/a/devcontainer.json", { image: "a" });
  expect(choose()).toMatchObject({
    path: ".devcontainer/a/devcontainer.json",
    notes: [expect.stringContaining("not .devcontainer/b/devcontainer.json") as string],
  });
  write(".devcontainer.json", { image: "root" });
  expect(choose()).toMatchObject({ path: ".devcontainer.json" });
  write(".devcontainer/devcontainer.json", { image: "usual" });
  expect(choose()).toMatchObject({ path: ".devcontainer/devcontainer.json" });
});

test("one may be chosen by its file, or by the folder that holds it", () => {
  write(".devcontainer/b/devcontainer.json", { image: "b" });
  write("packages/c/.devcontainer/devcontainer.json", { image: "c" });
  for (const path of [".devcontainer/b", ".devcontainer/b/devcontainer.json"])
    expect(choose(path)).toMatchObject({ configuration: { image: "b" }, notes: [] });
  expect(choose("packages/c")).toMatchObject({ path: "packages/c/.devcontainer/devcontainer.json" });
});

test("where nothing names an image the default image is used, and that is told", () => {
  expect(choose()).toMatchObject({ path: undefined, configuration: { image: "default:1" } });
  write(".devcontainer.json", { postCreateCommand: "x" });
  expect(choose()).toMatchObject({
    configuration: { image: "default:1", postCreateCommand: "x" },
    notes: [expect.stringContaining("names no image") as string],
  });
});

test.each([
  [{ image: "i" }, "image i"],
  [{ build: { dockerfile: "D" } }, "Dockerfile D"],
  [{ dockerFile: "D" }, "Dockerfile D"],
  [{ dockerComposeFile: ["a", "b"], service: "s" }, "Compose file a, b"],
])("%o is told as %s", (configuration, words) => {
  expect(sourceOf({ configuration })).toBe(words);
});

test("a Dockerfile's base images are those that are not its own stages; its user is the last stage's", () => {
  const text = `FROM --platform=linux/amd64 a:1 AS Build\nUSER early\nfrom build\nFROM $B\nFROM scratch\nFROM c@sha256:1 \\\n  AS last\nUSER late\nUSER $X`;
  expect(baseImages(text)).toEqual(["a:1", "$B", "c@sha256:1"]);
  expect(lastUser(text)).toBe("late");
  expect(lastUser("FROM a\nUSER x\nFROM b")).toBeUndefined();
});
