// What dev containers stand on: the home disk's folders, the engine's volumes on it, and the running engine.
import { failpoint } from "@gitspaces/daemon";
import type { Engine } from "./engine.ts";
import { layOutHome, mountVolumes, unmountVolumes, volumesMounted } from "./volumes.ts";

/** `volumesPlace`: the folder in which the engine looks for its named volumes. */
export type GroundParts = { engine: Engine; home: string; volumesPlace: string };

export class Ground {
  readonly #parts: GroundParts;

  constructor(parts: GroundParts) {
    this.#parts = parts;
  }

  /** The home disk is there: lays it out and lets the engine start in the background. One that runs on it already goes on. */
  async open(): Promise<void> {
    const { engine, home, volumesPlace } = this.#parts;
    layOutHome(home);
    failpoint("agent.afterHomeLaidOut");
    if (engine.own && !volumesMounted(home, volumesPlace)) {
      // An engine keeps the list of its volumes in memory: it may not find other ones in their place while it runs.
      if (await engine.answers()) await engine.stop();
      await mountVolumes(home, volumesPlace);
    }
    engine.start();
  }

  /** Whether an engine of this VM may have containers on the home disk now. */
  isOpen(): boolean {
    const { engine, home, volumesPlace } = this.#parts;
    return engine.own && volumesMounted(home, volumesPlace);
  }

  /** Ends the engine and lets go of the home disk; an engine that is not ours goes on. @throws {FailureError} `internal` */
  async close(): Promise<void> {
    const { engine, home, volumesPlace } = this.#parts;
    if (!engine.own) return;
    await engine.stop();
    failpoint("agent.afterEngineStopped");
    await unmountVolumes(home, volumesPlace);
  }
}
