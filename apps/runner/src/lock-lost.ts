// The one who works on a Gitspace has lost its lock, for a pause that was too long.

/** No failure of the task: whoever has the lock now, or gets the task next, does the work. */
export class LockLostError extends Error {
  constructor(gitspaceId: string) {
    super(`the lock of ${gitspaceId} was lost`);
    this.name = "LockLostError";
  }
}
