// Connecting a socket, at the first of some places that answers.
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { fail } from "@gitspaces/contracts";

const DIAL_DEADLINE_MS = 10_000;

/** A connected socket. @throws {FailureError} `vm_unreachable` with the sentence `silent` when no place answers. */
export async function dial(places: readonly NetConnectOpts[], silent: string): Promise<Socket> {
  let cause: unknown;
  for (const place of places) {
    try {
      return await dialOne(place);
    } catch (error) {
      cause = error;
    }
  }
  throw fail("vm_unreachable", silent, { cause });
}

async function dialOne(place: NetConnectOpts): Promise<Socket> {
  const socket = connect({ ...place, allowHalfOpen: true, noDelay: true });
  return await new Promise((resolve, reject) => {
    const late = setTimeout(() => socket.destroy(new Error("dialling took too long")), DIAL_DEADLINE_MS);
    socket.once("error", reject);
    socket.once("connect", () => {
      clearTimeout(late);
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("close", () => clearTimeout(late));
  });
}
