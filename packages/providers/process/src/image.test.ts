import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildImage, findImage, imagePath } from "./image.ts";

let root: string;
let options: { imagesFolder: string; cacheFolder: string };

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "gitspaces-image-"));
  options = { imagesFolder: join(root, "images"), cacheFolder: join(root, "cache") };
});
afterEach(async () => rm(root, { recursive: true, force: true }));

test("a folder that was not built to its end is no image", async () => {
  await mkdir(imagePath(options), { recursive: true });
  expect(await findImage(options)).toBeUndefined();
  await writeFile(join(imagePath(options), "complete"), "");
  expect(await findImage(options)).toBe(imagePath(options));
});

test("an image that is there is pointed to and not built again", async () => {
  await mkdir(imagePath(options), { recursive: true });
  await writeFile(join(imagePath(options), "complete"), "");
  const reports: number[] = [];
  const build = () =>
    buildImage({ ...options, signal: AbortSignal.timeout(5_000), onProgress: ({ share }) => reports.push(share) });
  expect(await build()).toBe(imagePath(options));
  expect(await build()).toBe(imagePath(options));
  expect(await readlink(join(options.imagesFolder, "default"))).toBe(imagePath(options));
  expect(reports).toEqual([]);
});

test("a build that is stopped leaves nothing behind, and says so", async () => {
  const stop = new AbortController();
  const building = buildImage({ ...options, signal: stop.signal });
  const refusal = building.then(
    () => undefined,
    (error: unknown) => error,
  );
  await sleep(400);
  stop.abort();
  expect(await refusal).toMatchObject({ failure: { code: expect.stringMatching(/^(?:cancelled|unsupported)$/) } });
  expect(await findImage(options)).toBeUndefined();
  expect(await readdir(options.cacheFolder)).toEqual([]);
});

test("what a killed build left behind is cleared away by the next", async () => {
  const leftover = `${imagePath(options)}.1.new`;
  await mkdir(leftover, { recursive: true });
  await expect(buildImage({ ...options, signal: AbortSignal.timeout(300) })).rejects.toHaveProperty("failure");
  expect(await readdir(dirname(leftover))).toEqual([]);
});
