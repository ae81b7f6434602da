import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { productionDependencies } from "./vm-image-dependencies.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "gs-image-test-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function install(folder: string, manifest: object): void {
  mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, folder, "package.json"), JSON.stringify({ version: "1.0.0", ...manifest }));
}

test("a workspace brings its libraries, theirs, and the workspaces it is linked to, but not what only tests need", () => {
  install("packages/agent", { dependencies: { own: "*", lib: "1" }, devDependencies: { tester: "1" } });
  install("packages/own", { dependencies: { deep: "1" } });
  mkdirSync(join(root, "node_modules"));
  symlinkSync("../packages/own", join(root, "node_modules/own"));
  install("node_modules/lib", { dependencies: { below: "1" } });
  for (const name of ["deep", "below", "tester", "unrelated"]) install(`node_modules/${name}`, {});

  expect(productionDependencies(root, "packages/agent")).toEqual({
    workspaces: ["packages/agent", "packages/own"],
    libraries: ["node_modules/below", "node_modules/deep", "node_modules/lib", "node_modules/own"],
  });
});

test("the nearest of two versions is taken, and one inside another's folder comes with that", () => {
  install("packages/agent", { dependencies: { lib: "1", shared: "1" } });
  install("packages/agent/node_modules/lib", { dependencies: { shared: "2" } });
  install("packages/agent/node_modules/lib/node_modules/shared", {});
  install("node_modules/lib", {});
  install("node_modules/shared", {});

  expect(productionDependencies(root, "packages/agent").libraries).toEqual([
    "node_modules/shared",
    "packages/agent/node_modules/lib",
  ]);
});

test("what is optional may be missing; what is needed is named with who needs it and the cure", () => {
  install("packages/agent", { dependencies: { lib: "1" }, optionalDependencies: { extra: "1" } });
  install("node_modules/lib", {
    peerDependencies: { peer: "1", maybe: "1" },
    peerDependenciesMeta: { maybe: { optional: true } },
  });

  expect(() => productionDependencies(root, "packages/agent")).toThrow(
    "peer, which node_modules/lib needs, is not installed: run npm ci",
  );
  install("node_modules/peer", {});
  expect(productionDependencies(root, "packages/agent").libraries).toEqual(["node_modules/lib", "node_modules/peer"]);
});
