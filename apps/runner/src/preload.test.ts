import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentMetadata, type PoolSpec } from "@gitspaces/contracts";
import { expect, onTestFinished, test } from "vitest";
import { preloadFor } from "./preload.ts";

const pool: PoolSpec = { name: "a", type: "docker", warm: 1, max: 2, image: "gitspaces/vm:latest", isDefault: true };
const repository = { url: "https://git.example/o/r", organisation: "default", refreshMs: 60_000 };

test("a pool that names nothing tells its VMs nothing", () => {
  expect(preloadFor(pool)).toBeUndefined();
  expect(preloadFor({ ...pool, preload: { images: [] } })).toBeUndefined();
});

test("images and repository are told as the agent reads them, with the credential of the moment", () => {
  const folder = mkdtempSync(join(tmpdir(), "preload-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const credentialFile = join(folder, "credential");
  const told = () =>
    preloadFor({
      ...pool,
      preload: { images: ["debian:bookworm-slim"], repository: { ...repository, credentialFile } },
    });
  writeFileSync(credentialFile, "reader:one:two\n");
  expect(told()).toEqual({
    images: ["debian:bookworm-slim"],
    repository: { url: repository.url, credential: { username: "reader", password: "one:two" } },
  });
  expect(AgentMetadata.shape.preload.safeParse(told()).success).toBe(true);
  writeFileSync(credentialFile, "no colon\n");
  expect(told).toThrow(/credential_file in pool.yml\) should hold user:password/);
});
