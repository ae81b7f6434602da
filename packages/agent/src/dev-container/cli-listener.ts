// Hears what the reference implementation says and tells the task: stages to the timeline, lines to the log.
import type { Work } from "../work.ts";
import { readCliLine, type Stage, thinned } from "./cli-log.ts";

const TOLD_LINES = 5;
const KEPT_LINES = 40;

export class CliListener {
  readonly #work: Work;
  readonly #tell: (line: string) => void;
  #image: "build" | "pull" | undefined;
  #lines: string[] = [];
  #doing = "Starting the reference implementation";

  constructor(work: Work) {
    this.#work = work;
    this.#tell = thinned((line) => work.emit("log", line));
  }

  readonly line = (text: string): void => {
    const { log = [], stage } = readCliLine(text);
    if (stage !== undefined) this.#enter(stage);
    for (const line of log) {
      if (this.#lines.push(line) > KEPT_LINES) this.#lines.shift();
      this.#tell(line);
    }
  };

  /** What it was at when it spoke last, in words. */
  get doing(): string {
    return this.#doing;
  }

  /** The last lines for people. */
  lastLines(): string {
    return this.#lines.slice(-TOLD_LINES).join(" | ");
  }

  /** An image that was being made or fetched is there. */
  imageDone(): void {
    if (this.#image !== undefined) this.#work.emit("agent_image_completed", "The image is there");
    this.#image = undefined;
  }

  /** Whatever it was at has failed. */
  imageFailed(): void {
    if (this.#image !== undefined) this.#work.emit("agent_image_failed", `${this.#doing} failed: ${this.lastLines()}`);
    this.#image = undefined;
  }

  #enter(stage: Stage): void {
    if (stage.kind === "hook") {
      if (stage.status !== "running") return;
      this.#lines = [];
      this.#doing = `Running ${stage.name}`;
      this.#work.emit("agent_hooks_start", this.#doing, { hook: stage.name });
      return;
    }
    if (stage.kind === "create") {
      this.imageDone();
      this.#doing = "Creating the container";
      this.#work.emit("log", `> ${this.#doing}`);
      return;
    }
    const doing = stage.kind === "pull" ? `Fetching the image ${stage.image}` : "Building the image";
    if (this.#image !== stage.kind) this.#work.emit("agent_image_start", doing);
    this.#image = stage.kind;
    this.#doing = doing;
  }
}
