// A short answer as text; one that goes on and on is refused.
import type { Readable } from "node:stream";
import { fail } from "@gitspaces/contracts";

const MOST_BYTES = 256 * 1024;

/** Reads all of it. @throws {FailureError} `bad_request` when it is longer than 256 KB. */
export async function readText(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += (chunk as Buffer).length;
    if (bytes > MOST_BYTES)
      throw fail("bad_request", `An answer of the control plane is longer than ${MOST_BYTES} bytes.`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString();
}
