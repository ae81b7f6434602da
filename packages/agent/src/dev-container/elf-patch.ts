// Two changes to programs of this VM, by which they run beside any other C library: a program asks for our loader, and our loader
// looks for libraries in our folder alone. Every text is replaced by one that is not longer, so nothing moves. Pure.
import { fail } from "@gitspaces/contracts";

/** Where the name of a program's loader stands in its file, and how many bytes there are for it. 64 bits, little endian. */
export function findInterpreter(head: Buffer): { at: number; bytes: number } {
  const isElf64 = head.readUInt32BE(0) === 0x7f454c46 && head[4] === 2 && head[5] === 1;
  const first = isElf64 ? Number(head.readBigUInt64LE(32)) : 0;
  const size = isElf64 ? head.readUInt16LE(54) : 0;
  const count = isElf64 ? head.readUInt16LE(56) : 0;
  for (let at = first; at < first + count * size && at + 40 <= head.length; at += size) {
    const PT_INTERP = 3;
    if (head.readUInt32LE(at) !== PT_INTERP) continue;
    return { at: Number(head.readBigUInt64LE(at + 8)), bytes: Number(head.readBigUInt64LE(at + 32)) };
  }
  throw fail("unsupported", "The VM's Node is not a program that another loader could run.");
}

/** The folders that a loader of Debian or Ubuntu looks into, one after the other. */
const usualFolders = /(\/lib\/[a-z0-9_]+-linux-gnu\/)\0(\/usr\/lib\/[a-z0-9_]+-linux-gnu\/)\0\/lib\/\0\/usr\/lib\/\0/g;

/** A loader that finds libraries in `folder` and nowhere else; `folder` is what `librariesFolder` said. */
export function patchLoader(loader: Buffer, folder: string): Buffer {
  const text = loader.toString("latin1");
  const patched = text
    .replaceAll(usualFolders, (_all, _short, long: string) =>
      [`${folder}/`, "/nowhere".padEnd(long.length - 1, "-") + "/", "/.../", "/usr/.../", ""].join("\0"),
    )
    .replaceAll("/etc/ld.so.cache\0", "/nowhere/ld.so.c\0")
    .replaceAll("/etc/ld.so.preload\0", "/nowhere/ld.so.pre\0");
  return Buffer.from(patched, "latin1");
}

/** A folder in `parent` with just as long a name as the first one of the loader's own. @throws {FailureError} `unsupported` */
export function librariesFolder(loader: Buffer, parent: string): string {
  const [, first] = new RegExp(usualFolders.source).exec(loader.toString("latin1")) ?? [];
  const wanted = `${parent}/lib`;
  if (first === undefined || first.length - 1 < wanted.length)
    throw fail(
      "unsupported",
      "The VM's C library is not as Debian and Ubuntu have it, so it can not be lent to an image.",
    );
  return wanted.padEnd(first.length - 1, "-");
}
