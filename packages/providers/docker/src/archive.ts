// A tar archive of a few small files, as the engine takes files into a container.

export type ArchiveFile = { path: string; mode: number; text: string };

const BLOCK = 512;

/** The files in a folder each of which is made when it is missing; all belong to root. */
export function archiveOf(files: readonly ArchiveFile[], folders: readonly string[] = []): Buffer {
  const parts = folders.map((path) => header(`${path}/`, 0o755, 0, "5"));
  for (const { path, mode, text } of files) {
    const bytes = Buffer.from(text);
    const padding = Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK);
    parts.push(header(path, mode, bytes.length, "0"), bytes, padding);
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

/** POSIX ustar. */
function header(path: string, mode: number, size: number, type: "0" | "5"): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at);
  block.write(path, 0, 100);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.fill(" ", 148, 156);
  block.write(type, 156);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}
