// The head of a CGI answer (RFC 3875 section 6): headers up to an empty line, the status among them.
import type { Readable } from "node:stream";

export type CgiHead = { status: number; headers: Record<string, string> };

const LONGEST_HEAD_BYTES = 16_384;

/** Reads the head and leaves the rest in the stream. @throws Error when the program ended or wrote too much before it was whole. */
export async function readCgiHead(stream: Readable): Promise<CgiHead> {
  let read = Buffer.alloc(0);
  for (;;) {
    const chunk = (stream.read() as Buffer | null) ?? (await nextChunk(stream));
    read = Buffer.concat([read, chunk]);
    const end = read.indexOf("\r\n\r\n");
    if (end >= 0) {
      if (read.length > end + 4) stream.unshift(read.subarray(end + 4));
      return parseHead(read.subarray(0, end).toString("latin1"));
    }
    if (read.length > LONGEST_HEAD_BYTES) throw new Error("The head of the answer is too long.");
  }
}

async function nextChunk(stream: Readable): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const onReadable = () => resolve((stream.read() as Buffer | null) ?? Buffer.alloc(0));
  const onEnd = () => reject(new Error("git ended without an answer."));
  stream.once("readable", onReadable).once("end", onEnd).once("close", onEnd).once("error", reject);
  try {
    return await promise;
  } finally {
    stream.off("readable", onReadable).off("end", onEnd).off("close", onEnd).off("error", reject);
  }
}

/** `Status: 404 Not Found` becomes the status; 200 when there is none. */
export function parseHead(text: string): CgiHead {
  const pairs = text.split("\r\n").map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const { status = "200", ...headers } = Object.fromEntries(pairs);
  return { status: Number.parseInt(status, 10), headers };
}
