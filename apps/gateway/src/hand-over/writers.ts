// What only one of a gateway's processes does: it keeps files, and tells that the gateway is well. An old process only tells what
// moved through it, since that keeps a Gitspace from being stopped.
import type { AccessFile } from "../access-file.ts";

type Parts = {
  keepAccess: () => AccessFile;
  /** Begins to report: all, with what waits kept in the file, or without one only activity. */
  report: (file: string | undefined) => AsyncDisposable;
  reportsFile: string;
};

export class Writers implements AsyncDisposable {
  readonly #parts: Parts;
  #access: AccessFile | undefined;
  #reports: AsyncDisposable | undefined;
  #isOver = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** From now on this process is the one that writes. */
  begin(): void {
    if (this.#isOver) return;
    this.#access = this.#parts.keepAccess();
    this.#access.changed();
    this.#reports = this.#parts.report(this.#parts.reportsFile);
  }

  /** The access documents are others than they were. */
  changed(): void {
    this.#access?.changed();
  }

  /** Resolves when nothing is written here any more: another process may begin. */
  async yield(): Promise<void> {
    await this.#end();
    if (!this.#isOver) this.#reports = this.#parts.report(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#end();
  }

  async #end(): Promise<void> {
    const [access, reports] = [this.#access, this.#reports];
    [this.#access, this.#reports] = [undefined, undefined];
    await reports?.[Symbol.asyncDispose]();
    await access?.[Symbol.asyncDispose]();
  }
}
