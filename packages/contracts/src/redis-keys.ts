// Every Redis key of the installation, so that access rules can be written from this one file.
export const REDIS_PREFIX = "gs";
export const ROUTES_CHANNEL = "gs:routes";
/** Says the ids of tasks that are no longer wanted, after their mark was written. */
export const CANCELLED_CHANNEL = "gs:runner-tasks:cancelled";

export const redisKeys = {
  vm: (instanceId: string) => `gs:vm:${instanceId}`,
  /** Sorted set of warm VMs, oldest first. */
  warm: (pool: string) => `gs:pool:${pool}:warm`,
  /** Every slot taken under the pool's `max`: slot id → what took it. */
  slots: (pool: string) => `gs:pool:${pool}:slots`,
  /** There for a moment after somebody looked: every slot under `max` is a Gitspace's. */
  full: (pool: string) => `gs:pool:${pool}:full`,
  lease: (pool: string) => `gs:pool:${pool}:lease`,
  /** The claim of a Gitspace: which VM it holds under which generation. */
  claim: (gitspaceId: string) => `gs:claim:${gitspaceId}`,
  route: (gitspaceId: string) => `gs:route:${gitspaceId}`,
  /** The mark of a task that is no longer wanted. Below the queue's own keys, where a delegate may write. */
  cancelled: (taskId: string) => `gs:runner-tasks:cancelled:${taskId}`,
  /** Names the Redis process in which the records were last compared with the provider. Gone with them after a loss. */
  whole: (what: string) => `gs:whole:${what}`,
  /** A comparison that is going on; a loss in the middle of it takes this away. */
  rebuild: (comparison: string) => `gs:rebuild:${comparison}`,
  /** A one-time sign-in code that was spent. */
  code: (jti: string) => `gs:code:${jti}`,
  /** What each process that has a certificate was given last: `<role>/<name>` → who issued it, whom it trusts, until when. */
  caMembers: (installation: string) => `gs:ca:members:${installation}`,
  /** An enrolment token, by the SHA-256 of its text. */
  enrolment: (hash: string) => `gs:enrolment:${hash}`,
} as const;
