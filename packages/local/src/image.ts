// The image of the VMs: built once per machine, kept in the person's cache outside the checkout, and found there ever after.
import { homedir } from "node:os";
import { join } from "node:path";
import { buildImage } from "@gitspaces/providers/process";
import type { News } from "./report.ts";

/** `GITSPACES_CACHE_FOLDER`, or `gitspaces` in the person's cache folder. */
export function cacheFolderFrom(env: NodeJS.ProcessEnv): string {
  return env["GITSPACES_CACHE_FOLDER"] ?? join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "gitspaces");
}

type Wanted = { imagesFolder: string; tell: (news: News) => void; signal: AbortSignal };

/** Finds the image or builds it, telling how far it is. */
export async function ensureImage({ imagesFolder, tell, signal }: Wanted): Promise<void> {
  await buildImage({
    imagesFolder,
    cacheFolder: join(cacheFolderFrom(process.env), "images"),
    onProgress: ({ phase, share }) =>
      tell({ news: "progress", what: `Building the VMs' image, once: ${phase}`, fraction: share }),
    signal,
  });
}
