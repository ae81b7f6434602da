// What a VM holds before anyone comes: archives loaded into a real engine, and a VM that is usable although one is missing.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog } from "@gitspaces/daemon";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestEngine } from "../testing/engine.ts";
import type { Engine } from "./engine.ts";
import { archiveOf, Preload } from "./preload.ts";

const IMAGE = "gs-f-preload:one";
const log = createLog("agent", "silent");
const within = () => AbortSignal.timeout(20_000);
let engine: Engine;
let folder: string;

beforeAll(async () => {
  engine = await openTestEngine();
  folder = mkdtempSync(join(tmpdir(), "preload-"));
  // The smallest image there is: one empty file.
  writeFileSync(join(folder, "file"), "");
  writeFileSync(join(folder, "Dockerfile"), "FROM scratch\nCOPY file /file\n");
  await engine.ask(["build", "--quiet", "--tag", IMAGE, folder], within());
  await engine.ask(["save", "--output", archiveOf(folder, IMAGE), IMAGE], within());
  await engine.ask(["rmi", IMAGE], within());
});
afterAll(async () => {
  await engine.docker(["rmi", "--force", IMAGE], { signal: within() });
  rmSync(folder, { recursive: true });
});

test("a VM is ready when the archives of its images are loaded, and not before", async () => {
  await using preload = new Preload({ images: [IMAGE], folder, engine, keepEngine: true, log });
  preload.start();
  expect(preload.ready).toBe(false);
  await expect.poll(() => preload.ready, { timeout: 15_000 }).toBe(true);
  expect((await engine.docker(["image", "inspect", IMAGE], { signal: within() })).code).toBe(0);
}, 20_000);

test("a Gitspace that comes before its VM is ready finds the images that lie in an archive", async () => {
  await engine.docker(["rmi", "--force", IMAGE], { signal: within() });
  await using preload = new Preload({ images: [IMAGE], folder, engine, keepEngine: true, log });
  preload.start();
  await preload.stop();
  await preload.catchUp(within());
  expect((await engine.docker(["image", "inspect", IMAGE], { signal: within() })).code).toBe(0);
}, 20_000);

test("a VM whose image can not be had is ready after a while all the same, and takes the image when it can be had", async () => {
  const late = "gs-f-preload:late";
  await using preload = new Preload({
    images: [late],
    folder,
    engine,
    keepEngine: true,
    log,
    patienceMs: 300,
    retryMs: 500,
  });
  preload.start();
  await expect.poll(() => preload.ready, { timeout: 10_000 }).toBe(true);
  expect((await engine.docker(["image", "inspect", late], { signal: within() })).code).not.toBe(0);
  await engine.ask(["load", "--quiet", "--input", archiveOf(folder, IMAGE)], within());
  await engine.ask(["tag", IMAGE, late], within());
  await engine.ask(["save", "--output", archiveOf(folder, late), late], within());
  await engine.ask(["rmi", late], within());
  const there = async () => (await engine.docker(["image", "inspect", late], { signal: within() })).code;
  await expect.poll(there, { timeout: 15_000 }).toBe(0);
  await engine.ask(["rmi", late], within());
}, 30_000);

test("a repository that cannot be prepared holds a VM up for a while only, and no ready VM holds its credential", async () => {
  const told: string[] = [];
  const preparation = {
    async prepare() {
      told.push(preload.ready ? "prepared when ready" : "tried");
      return await Promise.reject(new Error("no such host"));
    },
    wipe: () => void told.push(preload.ready ? "wiped when ready" : "wiped"),
  };
  await using preload: Preload = new Preload({
    images: [],
    folder,
    engine,
    keepEngine: true,
    log,
    preparation,
    patienceMs: 300,
    retryMs: 100,
  });
  preload.start();
  await expect.poll(() => preload.ready, { timeout: 10_000 }).toBe(true);
  expect(told.slice(0, 2)).toEqual(["tried", "tried"]);
  expect(told.filter((each) => each.startsWith("wiped"))[0]).toBe("wiped");
  expect(told).not.toContain("prepared when ready");
});

test("a VM whose credential cannot be wiped is never ready", async () => {
  let wipes = 0;
  const wipe = () => {
    wipes++;
    throw new Error("read-only file system");
  };
  const preparation = { prepare: async () => await Promise.resolve(), wipe };
  await using preload = new Preload({ images: [], folder, engine, keepEngine: true, log, preparation });
  preload.start();
  await expect.poll(() => wipes).toBe(1);
  expect(preload.ready).toBe(false);
});
