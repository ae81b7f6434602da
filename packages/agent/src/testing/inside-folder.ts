// What a container sees of its VM, for tests: with the stand-in for code-server, or with an image folder that is there.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { closeInsideFolder, type InsideFolder, openInsideFolder } from "../dev-container/inside-folder.ts";
import { ideEntry } from "../ide-command.ts";

export type TestInside = AsyncDisposable & {
  folder: string;
  inside: InsideFolder;
  /** Options for `docker run`. */
  options: string[];
  imageFolder: string;
};

/** Mounts it in a folder of its own; disposing takes everything away. */
export async function testInside(givenImage?: string): Promise<TestInside> {
  const folder = mkdtempSync(join(tmpdir(), "gs-inside-"));
  const imageFolder = givenImage ?? join(folder, "image");
  if (givenImage === undefined) {
    mkdirSync(dirname(ideEntry(imageFolder)), { recursive: true });
    copyFileSync(join(import.meta.dirname, "stand-in-ide.mjs"), ideEntry(imageFolder));
  }
  const place = join(folder, "vm");
  const inside = await openInsideFolder({ folder: place, imageFolder, node: process.execPath });
  return {
    folder: place,
    inside,
    imageFolder,
    options: inside.mounts.flatMap((mount) => ["--mount", mount]),
    async [Symbol.asyncDispose]() {
      await closeInsideFolder(place);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
