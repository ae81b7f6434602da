import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { chooseProvider, noteProvider, rememberedProvider } from "./provider-choice.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "provider-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a new data folder gets processes unless another kind is asked for", () => {
  expect(chooseProvider(folder, undefined)).toBe("process");
  expect(chooseProvider(folder, "docker")).toBe("docker");
  expect(rememberedProvider(folder)).toBeUndefined();
});

test("a data folder keeps its kind without being asked again", () => {
  noteProvider(folder, "docker");
  expect(chooseProvider(folder, undefined)).toBe("docker");
});

test("another kind than the data folder's is refused with both ways out", () => {
  noteProvider(folder, "docker");
  expect(() => chooseProvider(folder, "process")).toThrow(
    /disks of the provider docker\. Start it with --provider docker, or give process a folder of its own with --data\./,
  );
});

test("a data folder with homes and no note is of processes", () => {
  mkdirSync(join(folder, "homes", "hello-aaaaaa"), { recursive: true });
  expect(() => chooseProvider(folder, "docker")).toThrow("disks of the provider process");
});

test.each([
  ["YAML", "instances:\n  - name: default\n    type: process\n"],
  ["JSON", '{"version":"1","instances":[{"name":"default","type":"process"}]}'],
])("a pool.yml (%s) of another type is refused with both ways out", (_form, text) => {
  writeFileSync(join(folder, "pool.yml"), text);
  expect(() => chooseProvider(folder, "docker")).toThrow(
    /pool\.yml has a pool of type process, and the provider is docker\. Start with --provider process, or change/,
  );
  expect(chooseProvider(folder, "process")).toBe("process");
});

test("a comment in pool.yml names no type", () => {
  writeFileSync(join(folder, "pool.yml"), "instances:\n  - name: default # not type: process\n    type: docker\n");
  expect(chooseProvider(folder, "docker")).toBe("docker");
});
