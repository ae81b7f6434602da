// The image of process VMs: a folder with the IDE and its native parts, built once per machine user and shared by checkouts.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { access, copyFile, lstat, mkdir, readdir, readlink, rename, rm, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildProgress, installImage } from "./image-build.ts";
import { whileLocked } from "./lock.ts";

export type { BuildProgress } from "./image-build.ts";

export type ImageOptions = {
  /** Where the data folder keeps its images; `default` in it will point to the built one. */
  imagesFolder: string;
  /** Where built images stay; by default outside of any checkout, under XDG_CACHE_HOME or ~/.cache. */
  cacheFolder?: string;
};

const recipe = fileURLToPath(new URL("../image", import.meta.url));
const recipeFiles = ["package.json", "package-lock.json"] as const;
/** Raised when the way of building changes without the recipe's files. */
const recipeVersion = 1;

/** The folder of the image for this recipe and machine, once it is built whole. */
export async function findImage(options: ImageOptions): Promise<string | undefined> {
  const folder = imagePath(options);
  return (await isComplete(folder)) ? folder : undefined;
}

/**
 * Builds the image unless it is there, and points `default` of the images folder to it. Takes minutes the first time; a build
 * that is cut short leaves nothing that could be taken for an image.
 * @throws {FailureError} `unsupported` naming the packages that are missing, `internal` with npm's last words, `cancelled`.
 */
export async function buildImage(
  options: ImageOptions & { onProgress?: (progress: BuildProgress) => void; signal: AbortSignal },
): Promise<string> {
  const folder = imagePath(options);
  if (!(await isComplete(folder))) await buildInto(folder, options.onProgress ?? (() => {}), options.signal);
  await pointTo(options.imagesFolder, folder);
  return folder;
}

type Report = (progress: BuildProgress) => void;

async function buildInto(folder: string, onProgress: Report, signal: AbortSignal): Promise<void> {
  const cache = join(folder, "..");
  await mkdir(cache, { recursive: true });
  await whileLocked(cache, "the image build", signal, async () => {
    if (await isComplete(folder)) return;
    await sweep(cache);
    const beside = `${folder}.${process.pid}.new`;
    await mkdir(beside);
    try {
      for (const name of recipeFiles) await copyFile(join(recipe, name), join(beside, name));
      await installImage(beside, onProgress, signal);
      await writeFile(join(beside, "complete"), "");
      await rm(folder, { recursive: true, force: true });
      await rename(beside, folder);
    } finally {
      await rm(beside, { recursive: true, force: true });
    }
  });
}

/** What builds left behind that were killed; the lock says that none is running. */
async function sweep(cache: string): Promise<void> {
  for (const name of await readdir(cache))
    if (name.endsWith(".new")) await rm(join(cache, name), { recursive: true, force: true });
}

async function isComplete(folder: string): Promise<boolean> {
  return access(join(folder, "complete")).then(
    () => true,
    () => false,
  );
}

/** Replaces the link in one step, so that a VM that starts just now finds the old image or the new. */
async function pointTo(imagesFolder: string, folder: string): Promise<void> {
  const link = join(imagesFolder, "default");
  await mkdir(imagesFolder, { recursive: true });
  const present = await lstat(link).catch(() => undefined);
  if (present?.isSymbolicLink() && (await readlink(link)) === folder) return;
  const beside = `${link}.${process.pid}.new`;
  await rm(beside, { force: true });
  await symlink(folder, beside);
  if (present?.isDirectory()) await rename(link, `${link}.${Date.now()}.old`);
  await rename(beside, link);
}

/** Where the image of this recipe, Node and processor is, or will be. */
export function imagePath({ cacheFolder }: ImageOptions): string {
  const cache = cacheFolder ?? join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "gitspaces", "images");
  const texts = recipeFiles.map((name) =>
    existsSync(join(recipe, name)) ? readFileSync(join(recipe, name), "utf8") : "",
  );
  const { dependencies } = JSON.parse(texts[0] ?? "{}") as { dependencies: { "code-server": string } };
  const nodeMajor = process.versions.node.split(".")[0];
  const hash = createHash("sha256")
    .update(JSON.stringify([recipeVersion, nodeMajor, ...texts]))
    .digest("hex")
    .slice(0, 10);
  return join(cache, `code-server-${dependencies["code-server"]}-${hash}-${process.arch}`);
}
