import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { address, commaList, commonConfig, loadConfig, readSecret } from "./config.ts";

const schema = z.strictObject({
  ...commonConfig,
  listen: address,
  slots: z.number().int().default(16),
  singleUser: z.boolean().default(false),
  tags: commaList.default([]),
});
const env = { GITSPACES_DATA_FOLDER: "/data", GITSPACES_INSTALLATION: "test-1", GITSPACES_LISTEN: "127.0.0.1:7400" };

test("variables are read as what the schema wants", () => {
  const config = loadConfig(schema, {
    env: { ...env, GITSPACES_SLOTS: "4", GITSPACES_SINGLE_USER: "true", GITSPACES_TAGS: "a, b" },
    argv: [],
  });
  expect(config).toMatchObject({
    slots: 4,
    singleUser: true,
    tags: ["a", "b"],
    listen: { host: "127.0.0.1", port: 7400 },
    installation: "test-1",
  });
});

test("a text that looks like a number stays text where text is wanted", () => {
  expect(loadConfig(schema, { env: { ...env, GITSPACES_INSTALLATION: "12345" }, argv: [] }).installation).toBe("12345");
});

test("every wrong setting is named at once", () => {
  const wrong = { ...env, GITSPACES_LISTEN: "nowhere", GITSPACES_SLOTS: "many", GITSPACES_DATA_FOLDER: undefined };
  expect(() => loadConfig(schema, { env: wrong, argv: [] })).toThrow(
    /GITSPACES_DATA_FOLDER[^\n]*is missing[\s\S]*GITSPACES_LISTEN[^\n]*host:port[\s\S]*GITSPACES_SLOTS/,
  );
});

test("a wrong setting is told with its value, but never with a password in it", () => {
  const wrong = { ...env, GITSPACES_SLOTS: "many", GITSPACES_LISTEN: "redis://runner:canary@nowhere" };
  const told = () => loadConfig(schema, { env: wrong, argv: [] });
  expect(told).toThrow(/GITSPACES_SLOTS \(slots\) is "many": /);
  expect(told).toThrow(/GITSPACES_LISTEN \(listen\) is "redis:\/\/\[secret\]@nowhere": should be host:port/);
  expect(told).not.toThrow(/canary/);
});

test("variables win over the file, and the file's unknown keys are refused", () => {
  const folder = mkdtempSync(join(tmpdir(), "config-"));
  const file = join(folder, "runner.yml");
  writeFileSync(file, "slots: 2\nlisten: 127.0.0.1:1\n");
  expect(loadConfig(schema, { env, argv: ["--config", file] })).toMatchObject({ slots: 2, listen: { port: 7400 } });
  writeFileSync(file, "slotz: 2\n");
  expect(() => loadConfig(schema, { env, argv: ["--config", file] })).toThrow("slotz: no such setting");
});

test("a secret's file that is missing or empty is a failure naming the file", () => {
  const folder = mkdtempSync(join(tmpdir(), "secret-"));
  expect(() => readSecret(join(folder, "absent"))).toThrow("absent could not be read (ENOENT)");
  writeFileSync(join(folder, "empty"), "\n");
  expect(() => readSecret(join(folder, "empty"))).toThrow("is empty");
  writeFileSync(join(folder, "full"), "s3cret\n");
  expect(readSecret(join(folder, "full"))).toBe("s3cret");
});
