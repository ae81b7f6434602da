// What a process and its successor say to each other, over the channel that Node gives to a child.
import { z } from "zod";

const Door = z.enum(["visits", "redirect", "tasks", "ssh", "admin"]);

export const FromSuccessor = z.discriminatedUnion("say", [
  /** Asks for a listening socket, once everything behind it is loaded. */
  z.object({ say: z.literal("want"), door: Door }),
  /** It serves: all its doors are open. */
  z.object({ say: z.literal("ready") }),
  /** It could not start, in words for people. */
  z.object({ say: z.literal("failed"), reason: z.string() }),
]);
export type FromSuccessor = z.infer<typeof FromSuccessor>;

export const FromPredecessor = z.discriminatedUnion("say", [
  /** The socket comes with the message, unless there is no such door. */
  z.object({ say: z.literal("door"), door: Door }),
  /** The predecessor takes nobody new and writes nothing any more. */
  z.object({ say: z.literal("released") }),
]);
export type FromPredecessor = z.infer<typeof FromPredecessor>;

/** Set for a successor: it was started by this pid, to take over. */
export const PREDECESSOR = "GITSPACES_PREDECESSOR";
/** Set for a successor whose chain began with a process that its supervisor knows: `{ pid, started }`. */
export const ANCHOR = "GITSPACES_ANCHOR";
