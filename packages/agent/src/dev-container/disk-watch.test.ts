// When a disk is told of, on made-up figures and on a real small disk.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { fullDisk, isLow, lowDisks, spaceOf, type WatchedDisk, wordsOn } from "./disk-watch.ts";

/** A disk of 40 MB of its own. */
function smallDisk(): Disposable & { disk: WatchedDisk } {
  const folder = mkdtempSync(join(tmpdir(), "small-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=40m", "tmpfs", folder]);
  return {
    disk: { folder, what: "The home disk", cure: "Remove something." },
    [Symbol.dispose]() {
      execFileSync("umount", [folder]);
      rmSync(folder, { recursive: true });
    },
  };
}

test("a disk is low below a tenth, and a large one only below 2 GB", () => {
  expect(isLow({ totalMb: 10_000, freeMb: 1_001 })).toBe(false);
  expect(isLow({ totalMb: 10_000, freeMb: 999 })).toBe(true);
  expect(isLow({ totalMb: 1_000_000, freeMb: 3_000 })).toBe(false);
  expect(isLow({ totalMb: 1_000_000, freeMb: 2_000 })).toBe(true);
});

test("a disk that is full fails with its name and what to remove; one with room fails nothing", async () => {
  using small = smallDisk();
  expect(await spaceOf(small.disk.folder)).toEqual({ totalMb: 40, freeMb: 40 });
  expect(await fullDisk([small.disk], new Error("cause"))).toBeUndefined();
  expect(await lowDisks([small.disk])).toEqual([]);
  writeFileSync(join(small.disk.folder, "large"), Buffer.alloc(35 * 1024 * 1024));
  expect(await fullDisk([small.disk], new Error("cause"))).toMatchObject({
    failure: { code: "disk_full", message: "The home disk is full: 5 of 40 MB are free. Remove something." },
  });
  expect(await lowDisks([small.disk])).toEqual(["The home disk is full: 5 of 40 MB are free. Remove something."]);
  expect(await fullDisk([small.disk], fail("devcontainer_invalid", "a comma is missing"))).toBeUndefined();
  expect(await fullDisk([small.disk], fail("ide_failed", "it ended"))).toMatchObject({
    failure: { code: "disk_full" },
  });
});

test("a folder that is not there is not told of", async () => {
  expect(await spaceOf("/no/such/folder")).toBeUndefined();
  expect(wordsOn({ folder: "/", what: "It", cure: "Do." }, { totalMb: 1_000, freeMb: 90 })).toBe(
    "It is nearly full: 90 of 1000 MB are free. Do.",
  );
});
