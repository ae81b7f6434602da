// A request's body, read once and not without a limit.
import type { IncomingMessage } from "node:http";
import { fail } from "@gitspaces/contracts";

const MOST_BYTES = 256 * 1024;

/** The JSON of a request. @throws {FailureError} `bad_request` when it is none, or larger than 256 KiB. */
export async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) throw fail("bad_request", `The body is larger than ${MOST_BYTES} bytes.`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (cause) {
    throw fail("bad_request", "The body is not JSON.", { cause });
  }
}
