// An image without glibc gets the IDE all the same: with a loader and libraries of the VM, and everything else the image's.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { createLog } from "@gitspaces/daemon";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestEngine } from "../testing/engine.ts";
import { type TestInside, testInside } from "../testing/inside-folder.ts";
import { type TestContainer, testContainer } from "../testing/test-container.ts";

import { findInterpreter, librariesFolder, patchLoader } from "./elf-patch.ts";
import { openContainerIde } from "./ide.ts";
import { runInside } from "./in-container.ts";
import { INSIDE } from "./inside-folder.ts";
import { libcSentence, runsOurPrograms } from "./libc.ts";
import { nodeInside } from "./node-inside.ts";
import { lendLibc, OWN_NODE } from "./own-libc.ts";

const MUSL_IMAGE = "gitspaces-test/musl:latest";
const recipe = join(import.meta.dirname, "../../../../test/fixtures/musl-image");
const user = { name: "dev", uid: 1000, gid: 1000, home: "/home/dev", shell: "/bin/sh" };

let vm: TestInside;
let box: TestContainer;
beforeAll(async () => {
  const { env } = await openTestEngine();
  await promisify(execFile)("docker", ["build", "--quiet", "--tag", MUSL_IMAGE, recipe], {
    env: { ...process.env, ...env },
  });
  vm = await testInside();
  box = await testContainer(vm.options, { image: MUSL_IMAGE, user });
  box.container.libc = { kind: "musl" };
  // By these two files programs know such an image.
  await box.docker("exec", box.container.id, "sh", "-c", "touch /etc/alpine-release; echo 'musl libc' > /usr/bin/ldd");
}, 120_000);
afterAll(async () => {
  await box[Symbol.asyncDispose]();
  await vm[Symbol.asyncDispose]();
});

const inside = async (...args: string[]) =>
  await runInside(box.engine, box.container, { args, signal: AbortSignal.timeout(10_000) });

test("Node of the VM does not run there, and with what the VM lends it does; what it starts is the image's", async () => {
  expect((await inside(INSIDE.node, "--version")).code).not.toBe(0);
  expect((await inside(INSIDE.command, "--help")).code).toBe(69);
  expect(await lendLibc(vm.inside, vm.inside.node)).toBe(OWN_NODE);
  expect(await inside(OWN_NODE, "--version")).toEqual({ code: 0, output: [process.version] });
  const script = `console.log(require("child_process").execFileSync("/bin/sh", ["-c", "ls /lib | head -1"]).toString().trim());
    require("dns").lookup("localhost", (error, address) => console.log(error ?? address));`;
  const { output } = await inside(OWN_NODE, "-e", script);
  expect(output).toEqual([expect.stringMatching(/^ld-musl-/), expect.stringMatching(/^(?:127\.0\.0\.1|::1)$/)]);
  expect((await inside(INSIDE.command, "--help")).code).toBe(0);
});

test("the IDE comes up there, and the person is told what is different", async () => {
  const notes: string[] = [];
  const note = (sentence: string) => void notes.push(sentence);
  const log = createLog("agent", "silent");
  await using ide = openContainerIde({ engine: box.engine, inside: vm.inside, note, log });
  ide.start(box.container);
  await ide.ready(AbortSignal.timeout(14_000));
  expect(notes).toEqual([libcSentence({ kind: "musl" })]);
  await ide.stop();
});

test.each([
  [{ kind: "glibc", version: "2.36" }, true],
  [{ kind: "glibc", version: "2.41" }, true],
  [{ kind: "glibc", version: "3.0" }, true],
  [{ kind: "glibc", version: "2.31" }, undefined],
  [{ kind: "glibc", version: "2.28" }, undefined],
  [{ kind: "glibc", version: "2.17" }, false],
  [{ kind: "musl" }, false],
  [{ kind: "none" }, undefined],
] as const)("on a VM with glibc 2.36, whether %j runs its programs: %s", (libc, expected) => {
  expect(runsOurPrograms(libc, "2.36")).toBe(expected);
});

test("where only trying can tell, it is tried", async () => {
  const { engine } = box;
  const unknown = { ...box.container, libc: { kind: "none" } as const };
  expect(await nodeInside({ engine, inside: vm.inside, container: unknown })).toEqual({ node: OWN_NODE, isLent: true });
  await using other = await testContainer(vm.options);
  const older = { ...other.container, libc: { kind: "glibc", version: "2.31" } as const };
  const found = await nodeInside({ engine, inside: vm.inside, container: older });
  expect(found).toEqual({ node: INSIDE.node, isLent: false });
});

test("a changed loader is as long as it was and knows our folder alone", () => {
  const loader = Buffer.from(
    "..\0/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0.. /etc/ld.so.cache\0..",
  );
  const folder = librariesFolder(loader, "/opt/gitspaces");
  expect(folder).toBe("/opt/gitspaces/lib---");
  const patched = patchLoader(loader, folder);
  expect(patched.length).toBe(loader.length);
  expect(patched.toString()).toContain("..\0/opt/gitspaces/lib---/\0");
  expect(patched.toString()).not.toMatch(/\/(?:usr|etc)\/l|\0\/lib\//);
  expect(() => librariesFolder(Buffer.from("/lib/ld.so"), "/opt/gitspaces")).toThrow("can not be lent");
  expect(() => findInterpreter(Buffer.alloc(100))).toThrow("not a program");
});
