// The process before, as its successor sees it: gives its listening sockets, and then its place.
import { once } from "node:events";
import type { Server } from "node:net";
import { fail, toFailure } from "@gitspaces/contracts";
import type { TakeDoor } from "./doors.ts";
import { FromPredecessor, type FromSuccessor, PREDECESSOR } from "./messages.ts";

const DOOR_MS = 10_000;

export type Predecessor = {
  take: TakeDoor;
  /** Says that this process serves, and resolves when the predecessor has made way. */
  relieve: () => Promise<void>;
};

/** Nothing for a process that nobody went before. One whose predecessor dies before it made way ends: the supervisor starts anew. */
export function findPredecessor(env: NodeJS.ProcessEnv, onOrphaned: () => void): Predecessor | undefined {
  if (env[PREDECESSOR] === undefined || process.send === undefined) return undefined;
  const released = Promise.withResolvers<void>();
  process.once("disconnect", onOrphaned);
  process.on("message", (message) => {
    if (FromPredecessor.safeParse(message).data?.say === "released") released.resolve();
  });
  return {
    async take(name) {
      const late = AbortSignal.timeout(DOOR_MS);
      say({ say: "want", door: name });
      for (;;) {
        const [message, handle] = (await once(process, "message", { signal: late }).catch((cause: unknown) => {
          throw fail("timeout", `The process before did not hand over its socket for ${name}.`, { cause });
        })) as [unknown, Server | undefined];
        const heard = FromPredecessor.safeParse(message).data;
        if (heard?.say === "door" && heard.door === name) return handle;
      }
    },
    async relieve() {
      say({ say: "ready" });
      await released.promise;
      process.off("disconnect", onOrphaned);
      process.removeAllListeners("message");
      if (process.connected) process.disconnect();
    },
  };
}

/** Says to a predecessor that waits, in words for people, why this process can not take over. */
export function giveUp(error: unknown, env: NodeJS.ProcessEnv = process.env): void {
  if (env[PREDECESSOR] !== undefined) say({ say: "failed", reason: toFailure(error).message });
}

function say(message: FromSuccessor): void {
  process.send?.(message, undefined, undefined, () => undefined);
}
