import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packExtension } from "./vsix.ts";

/** Python's zip module checks every file's sum and length as it reads. */
const listing = `
import json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
print(json.dumps({name: archive.read(name).decode() for name in archive.namelist()}))
`;

test("an extension's files come out of its archive as they went in, below its lists of contents", () => {
  const folder = mkdtempSync(join(tmpdir(), "vsix-"));
  try {
    const manifest = JSON.stringify({ name: "ext", publisher: "ada", version: "1.2.3" });
    writeFileSync(join(folder, "package.json"), manifest);
    writeFileSync(join(folder, "extension.js"), "exports.activate = () => 'é';\n");
    const archive = packExtension(folder);
    expect(packExtension(folder)).toEqual(archive);
    writeFileSync(join(folder, "ext.vsix"), archive);
    const files = JSON.parse(
      execFileSync("python3", ["-c", listing, join(folder, "ext.vsix")], { encoding: "utf8" }),
    ) as Record<string, string>;
    expect(files).toMatchObject({
      "extension/package.json": manifest,
      "extension/extension.js": "exports.activate = () => 'é';\n",
      "[Content_Types].xml": expect.stringContaining('Extension=".js"') as string,
      "extension.vsixmanifest": expect.stringContaining('Id="ext" Version="1.2.3" Publisher="ada"') as string,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
