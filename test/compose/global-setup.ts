// A fresh clone for the whole run, with what this machine has instead of a registry: a stand-in for Redis's image, its certificates.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { cacheFolderFrom } from "../../packages/local/src/process-ground.ts";
import { docker, engineSocket } from "./engine.ts";

declare module "vitest" {
  interface ProvidedContext {
    clone: { folder: string; env: Record<string, string> };
  }
}

const checkout = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const REDIS_IMAGE = "redis:7-bookworm";
const REDIS_STAND_IN = "gitspaces-test/redis:latest";
const systemCertificates = "/usr/local/share/ca-certificates";
let work: string;
let version: string;

export async function setup(project: TestProject): Promise<void> {
  work = mkdtempSync(join(tmpdir(), "gitspaces-compose-"));
  version = `test-${process.pid}`;
  const folder = join(work, "clone");
  copyCheckout(folder);
  for (const name of existsSync(systemCertificates) ? readdirSync(systemCertificates) : [])
    if (name.endsWith(".crt")) cpSync(join(systemCertificates, name), join(folder, "deploy/docker/ca", name));
  project.provide("clone", {
    folder,
    env: {
      GITSPACES_ENGINE_SOCKET: engineSocket(),
      GITSPACES_CACHE_FOLDER: imageCache(),
      GITSPACES_VERSION: version,
      REDIS_IMAGE: await redisImage(),
    },
  });
}

export async function teardown(): Promise<void> {
  const images = await docker("images", "--quiet", "--filter", `reference=gitspaces/*:${version}`);
  // One that another image was built from loses its name and stays.
  if (images !== "") await docker("rmi", "--force", ...new Set(images.split("\n"))).catch(() => {});
  rmSync(work, { recursive: true, force: true });
}

/** What git has of the checkout, and what it would take. */
function copyCheckout(folder: string): void {
  mkdirSync(folder);
  const list = execFileSync("git", ["-C", checkout, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  const files = list
    .toString()
    .split("\0")
    .filter((name) => name !== "" && existsSync(join(checkout, name)));
  for (const name of files) cpSync(join(checkout, name), join(folder, name), { recursive: true });
}

/** The IDE that this machine has built before, as its user in the container may use it. */
function imageCache(): string {
  const cache = join(work, "cache");
  const known = join(cacheFolderFrom(process.env), "images");
  mkdirSync(join(cache, "images"), { recursive: true });
  if (existsSync(known)) execFileSync("cp", ["--archive", "--reflink=auto", `${known}/.`, join(cache, "images")]);
  execFileSync("chown", ["--recursive", "1000:1000", cache]);
  return cache;
}

async function redisImage(): Promise<string> {
  const isThere = (await docker("images", "--quiet", REDIS_IMAGE)) !== "";
  if (isThere || (await pulled(REDIS_IMAGE))) return REDIS_IMAGE;
  await docker("build", "--quiet", "--tag", REDIS_STAND_IN, join(checkout, "test/compose/redis"));
  return REDIS_STAND_IN;
}

async function pulled(image: string): Promise<boolean> {
  return await docker("pull", "--quiet", image).then(
    () => true,
    () => false,
  );
}
