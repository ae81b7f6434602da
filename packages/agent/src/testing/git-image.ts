// An image with git for tests, built once per engine.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTestEngine } from "./engine.ts";

const NAME = "gs-test-git:1";
const DOCKERFILE = `FROM node:24-bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends git openssh-client && rm -rf /var/lib/apt/lists/*
`;
const BUILD_DEADLINE_MS = 200_000;

/** Gives its name. */
export async function gitImage(): Promise<string> {
  const engine = await openTestEngine();
  const signal = AbortSignal.timeout(BUILD_DEADLINE_MS);
  if ((await engine.docker(["image", "inspect", NAME], { signal })).code === 0) return NAME;
  const folder = mkdtempSync(join(tmpdir(), "git-image-"));
  try {
    writeFileSync(join(folder, "Dockerfile"), DOCKERFILE);
    const { code, output } = await engine.docker(["build", "--network=host", "--tag", NAME, folder], { signal });
    if (code !== 0) throw new Error(`the image with git could not be built: ${output.slice(-5).join("\n")}`);
    return NAME;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
