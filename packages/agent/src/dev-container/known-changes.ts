// What git said of a Gitspace before its containers ended: asked once while they ran, kept where a killed agent finds it again.
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { failpoint } from "@gitspaces/daemon";
import { z } from "zod";
import { writeDurably } from "../durable-file.ts";

const Known = z.object({ folder: z.string(), changed: z.boolean() });

export class KnownChanges {
  readonly #file: string;

  constructor(stateFolder: string) {
    this.#file = join(stateFolder, "git-changes.json");
  }

  /** Whether there were changes in `folder` when its containers ended; nothing when nobody asked. */
  of(folder: string): boolean | undefined {
    try {
      const known = Known.parse(JSON.parse(readFileSync(this.#file, "utf8")));
      return known.folder === folder ? known.changed : undefined;
    } catch {
      return undefined;
    }
  }

  keep(folder: string, changed: boolean): void {
    writeDurably(this.#file, JSON.stringify({ folder, changed }));
    failpoint("agent.afterChangesKept");
  }

  /** Somebody may work again: what was known is no more. */
  forget(): void {
    rmSync(this.#file, { force: true });
  }
}
