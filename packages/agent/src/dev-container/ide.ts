// The IDE of a dev container, inside it, with a C library of its own where the image's will not do; its extensions follow.
import type { Socket } from "node:net";
import { fail } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import { Ide, type IdeRunner, type IdeState } from "../ide.ts";
import type { Container } from "./container.ts";
import { installExtensions } from "./extensions.ts";
import type { EngineAccess } from "./in-container.ts";
import type { InsideFolder } from "./inside-folder.ts";
import { ideInside } from "./ide-inside.ts";
import { libcSentence } from "./libc.ts";
import { nodeInside } from "./node-inside.ts";

export interface ContainerIde extends AsyncDisposable {
  readonly state: IdeState;
  /** Sees that the IDE of this container runs. One of an earlier container is let go of. */
  start(container: Container): void;
  /** Resolves when the workbench page is answered. @throws {FailureError} `ide_failed` with the IDE's last output. */
  ready(signal: AbortSignal): Promise<void>;
  /** Ends it politely, with what is still being installed. */
  stop(): Promise<void>;
  /** @throws {FailureError} `vm_unreachable` while it does not listen. */
  dial(): Promise<Socket>;
}

type Parts = {
  engine: EngineAccess;
  inside: InsideFolder;
  /** Hears one sentence for each thing that was done differently than asked, also after the start is over. */
  note: (sentence: string) => void;
  log: Logger;
};
type Present = {
  container: Container;
  node: () => Promise<string>;
  runner: IdeRunner;
  ide: Ide;
  installing: AbortController;
};

/** Opens it; nothing runs yet. Disposing leaves a running IDE to the next agent. */
export function openContainerIde({ engine, inside, note, log }: Parts): ContainerIde {
  let present: Present | undefined;
  let last: Promise<void> = Promise.resolve();

  const letGo = async ({ ide, installing }: Present) => {
    installing.abort();
    await ide.leave();
  };
  const nodeFor = async (container: Container): Promise<string> => {
    const { node, isLent } = await nodeInside({ engine, inside, container });
    if (isLent) note(libcSentence(container.libc));
    return node;
  };
  const followUp = async ({ container, node, ide, installing }: Present) => {
    await ide.ready(installing.signal);
    await installExtensions({ engine, inside, container, node: await node(), note, signal: installing.signal });
  };

  return {
    get state() {
      return present?.ide.state ?? "starting";
    },
    start(container) {
      if (present?.container.id === container.id && present.container.pid === container.pid) {
        present.ide.start();
        return;
      }
      if (present !== undefined) last = letGo(present);
      const node = once(async () => await nodeFor(container));
      const runner = ideInside({ engine, inside, container, node });
      const ide = new Ide({ runner, log });
      const born = { container, node, runner, ide, installing: new AbortController() };
      present = born;
      ide.start();
      followUp(born).catch((error: unknown) => {
        if (!born.installing.signal.aborted) log.warn({ err: error }, "extensions were not installed");
      });
    },
    async ready(signal) {
      if (present === undefined) throw fail("ide_failed", "The IDE did not start: there is no dev container for it.");
      await present.ide.ready(signal);
    },
    async stop() {
      await last;
      present?.installing.abort();
      await present?.ide.stop();
      present = undefined;
    },
    async dial() {
      if (present === undefined) throw fail("vm_unreachable", "The IDE does not listen yet.");
      return await present.runner.dial();
    },
    async [Symbol.asyncDispose]() {
      await last;
      if (present !== undefined) await letGo(present);
    },
  };
}

/** Answers every call with what the first one gave; one that failed is made again. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return async () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return await made;
  };
}
