// For images whose C library our programs do not know: Node with the loader and libraries of this VM, made when first needed.
// It appears inside at /opt/gitspaces/own, and programs that it starts are the image's own again.
import { randomUUID } from "node:crypto";
import { constants, existsSync, readFileSync } from "node:fs";
import { chmod, copyFile, cp, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { run } from "../command.ts";
import { findInterpreter, librariesFolder, patchLoader } from "./elf-patch.ts";
import type { InsideFolder } from "./inside-folder.ts";

/** Places inside; the loader's is short, since it has to fit where a usual one stood. */
const LOADER = "/opt/gitspaces/ld.so";
export const OWN_NODE = "/opt/gitspaces/own/node";
const HEAD_BYTES = 64 * 1024;
const LIST_DEADLINE_MS = 10_000;
/** Loaded by name while a program runs, so no list of its needs has them. */
const askedForLater = /^(?:libresolv|libnss_dns|libnss_files|librt|libutil)\.so\.\d+$/;

/** Sees that it is there; gives the path of Node inside. @throws {FailureError} `unsupported` on a VM that has nothing to lend. */
export async function lendLibc({ tools }: Pick<InsideFolder, "tools">, node: string): Promise<string> {
  await lendPrograms(tools, "own", { node });
  return OWN_NODE;
}

/** Programs of the VM, by the names they get, with the VM's loader and libraries; gives the folder inside where they are. */
export async function lendPrograms(tools: string, place: string, programs: Record<string, string>): Promise<string> {
  const inside = join(dirname(LOADER), place);
  const own = join(tools, place);
  if (existsSync(own)) return inside;
  const beside = `${own}.${randomUUID()}.new`;
  await mkdir(beside);
  for (const [name, program] of Object.entries(programs)) await lend(tools, program, join(beside, name));
  await rename(beside, own).catch(async (error: unknown) => {
    // Somebody was faster, with the same.
    if (!existsSync(own)) throw error;
    await rm(beside, { recursive: true });
  });
  return inside;
}

async function lend(tools: string, program: string, copy: string): Promise<void> {
  const interpreter = await interpreterOf(program);
  const loader = readFileSync(interpreter);
  const libraries = librariesFolder(loader, dirname(LOADER));
  const there = join(tools, basename(libraries));
  await mkdir(there, { recursive: true });
  for (const library of await librariesOf(interpreter, program)) await replace(library, join(there, basename(library)));
  await writeFile(`${copy}.ld.so`, patchLoader(loader, libraries), { mode: 0o755 });
  await rename(`${copy}.ld.so`, join(tools, basename(LOADER)));
  await copyFile(program, copy, constants.COPYFILE_FICLONE);
  await chmod(copy, 0o755);
  await nameLoader(copy);
}

async function replace(from: string, to: string): Promise<void> {
  const beside = `${to}.${randomUUID()}.new`;
  await cp(from, beside, { dereference: true });
  await chmod(beside, 0o755);
  await rename(beside, to);
}

async function interpreterOf(program: string): Promise<string> {
  await using file = await open(program, "r");
  const { at, bytes } = findInterpreter((await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)).buffer);
  const name = await file.read(Buffer.alloc(bytes), 0, bytes, at);
  return name.buffer.toString("latin1").replace(/\0.*$/s, "");
}

async function nameLoader(program: string): Promise<void> {
  await using file = await open(program, "r+");
  const { at, bytes } = findInterpreter((await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)).buffer);
  if (bytes < LOADER.length + 1)
    throw fail("unsupported", "A program of the VM has no room for the name of another loader.");
  await file.write(Buffer.from(LOADER.padEnd(bytes, "\0"), "latin1"), 0, bytes, at);
}

/** What a program of this VM needs, as its loader finds it, and its neighbours that are asked for later. */
async function librariesOf(interpreter: string, program: string): Promise<string[]> {
  const signal = AbortSignal.timeout(LIST_DEADLINE_MS);
  const { code, output } = await run({ program: interpreter, args: ["--list", program], cwd: "/", env: {}, signal });
  const found = output.flatMap((line) => / => (\/\S+) \(/.exec(line)?.[1] ?? []);
  const libc = found.find((path) => basename(path).startsWith("libc.so"));
  if (code !== 0 || libc === undefined)
    throw fail("unsupported", `The libraries of ${program} are not known: ${output.at(-1) ?? "no list"}`);
  const beside = (await readdir(dirname(libc))).filter((name) => askedForLater.test(name));
  return [...found, ...beside.map((name) => join(dirname(libc), name))];
}
