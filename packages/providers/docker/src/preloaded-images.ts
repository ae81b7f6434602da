// The images that VMs find on arrival: each a tar in a volume that every VM has read-only, written once per image id.
import { createHash } from "node:crypto";
import { z } from "zod";
import type { Engine } from "./engine.ts";
import { isStatus } from "./engine-error.ts";
import { type Names, mark } from "./names.ts";
import type { Plug } from "./plug.ts";
import type { Log } from "./vms.ts";

const Image = z.looseObject({ Id: z.string() });
/** Half of a written image is never seen: it is renamed when it is whole. */
const receive = 'find "${0%/*}" -name "*.part" -mmin +60 -delete; exec cat >"$0"';
const keep = 'mv "$0" "$1" && printf %s "$3" >"$2.new" && mv "$2.new" "$2"';
const readId = 'cat "$0" 2>/dev/null || true';
const SAVE_MS = 600_000;

export type PreloadedImages = ReturnType<typeof preloadedImages>;

/** The name of an image's tar, without its ending. */
export function tarName(image: string): string {
  return createHash("sha256").update(image).digest("hex");
}

export function preloadedImages(engine: Engine, names: Names, plug: Plug, log: Log) {
  const folder = `/volumes/${names.images}/_data`;
  /** Image name → the id that is in the volume; `absent` is told once. */
  const known = new Map<string, string>();
  const saving = new Map<string, Promise<void>>();

  async function save(name: string, id: string, helper: string): Promise<void> {
    const signal = AbortSignal.timeout(SAVE_MS);
    const [tar, idFile] = [`${folder}/${tarName(name)}.tar`, `${folder}/${tarName(name)}.id`];
    if ((await plug.shell(readId, [idFile], helper, signal)) !== id) {
      const begunAt = performance.now();
      const part = `${tar}.${process.pid}-${Date.now()}.part`;
      const image = await engine.stream("GET", `/images/${encodeURIComponent(name)}/get`, { signal });
      await plug.shell(receive, [part], helper, signal, image);
      await plug.shell(keep, [part, tar, idFile, id], helper, signal);
      log.info({ image: name, tookMs: Math.round(performance.now() - begunAt) }, "image laid out for VMs");
    }
    known.set(name, id);
  }

  async function saveOrTell(name: string, id: string, helper: string): Promise<void> {
    await save(name, id, helper).catch((err: unknown) => {
      log.warn({ err, image: name }, "an image could not be laid out; VMs will fetch it themselves");
    });
  }

  return {
    /** Makes the volume. */
    async open(signal: AbortSignal): Promise<void> {
      const Labels = { [mark.installation]: names.installation, [mark.kind]: "images" };
      await engine.tell("POST", "/volumes/create", { body: { Name: names.images, Labels }, signal });
    },
    /**
     * Resolves once the images that this engine has are there for VMs. One that it does not have, or that cannot be written, is
     * told in the log: VMs fetch it themselves. `helper` is the image that the writing program is in.
     */
    async ensure(images: readonly string[], helper: string, signal: AbortSignal): Promise<void> {
      for (const name of images) {
        const id = await idOf(name, signal);
        if (known.get(name) === (id ?? "absent")) continue;
        if (id === undefined) {
          known.set(name, "absent");
          log.warn({ image: name }, "this engine does not have a preloaded image; VMs will fetch it themselves");
          continue;
        }
        const work = saving.get(id) ?? saveOrTell(name, id, helper).finally(() => saving.delete(id));
        saving.set(id, work);
        await Promise.race([work, aborted(signal)]);
      }
    },
  };

  async function idOf(name: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      return (await engine.ask(Image, "GET", `/images/${encodeURIComponent(name)}/json`, { signal })).Id;
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw error;
    }
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
