// Tasks: one unit of work from the control plane, and its one terminal answer.
import { z } from "zod";
import { Failure } from "./failure.ts";
import { DiskId, Generation, GitspaceId, InstanceId, PoolName, Port, TaskId } from "./names.ts";
import { PoolState } from "./pool-state.ts";

/** Characters that show a text as another one than it is: directions of writing, and halves of a character. */
const DISGUISE = /[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff]/;

/** A git branch as git check-ref-format would take it, and never an option. */
export const BranchName = z
  .string()
  .min(1)
  .max(200)
  .regex(
    /^(?![-/.])(?!@$)(?!HEAD$)(?!.*(?:\.\.|\/\/|@\{|\.lock(?:\/|$)|\/\.))[^\s~^:?*[\\\u0000-\u0020\u007f]+(?<![/.])$/,
    "should be a branch name",
  )
  .refine((name) => name.isWellFormed() && !DISGUISE.test(name), "should be a branch name");

/** A repository to clone: https or http, without credentials in the URL. */
export const RepositoryUrl = z
  .string()
  .max(2_048)
  .refine(isRepositoryUrl, "should be an https or http URL of a git repository, without user or password in it");

function isRepositoryUrl(text: string): boolean {
  if (/[\u0000-\u0020\u007f\\?#]/.test(text) || DISGUISE.test(text) || !text.isWellFormed()) return false;
  // git writes these out again where a line break, or a zero byte, would end what it says.
  if (/%(?:0[0-9a-f]|1[0-9a-f]|7f)/i.test(text)) return false;
  // An URL parser would take `https:host` and `https:///host` as well; git takes them for something else.
  if (!/^https?:\/\/[^/]/i.test(text) || !URL.canParse(text)) return false;
  const url = new URL(text);
  return (
    url.username === "" &&
    url.password === "" &&
    !url.hostname.startsWith("-") &&
    url.port !== "0" &&
    saysItsAddress(text, url) &&
    url.pathname.length > 1 &&
    !text.slice(0, text.indexOf("/", 8)).includes("@")
  );
}

/** `0x7f.1` and `2130706433` are 127.0.0.1 to some and names to others: an address is written as everybody writes it. */
function saysItsAddress(text: string, { hostname }: URL): boolean {
  if (!/^[0-9.]+$/.test(hostname)) return true;
  const written = text.replace(/^https?:\/\//i, "").split(/[/:]/, 1)[0];
  return written === hostname;
}

/** How much of the history is fetched at once: so many commits of each branch's tip. */
export const CloneDepth = z.int().min(1).max(1_000_000);
/** What is fetched only once it is asked for: `blob:none` leaves the contents of older versions where they are. */
export const CloneFilter = z.enum(["blob:none"]);

/** An elliptic-curve public key to which secrets are sealed. */
export const SealingKey = z.strictObject({
  kty: z.literal("EC"),
  crv: z.literal("P-256"),
  x: z.string(),
  y: z.string(),
});
export type SealingKey = z.infer<typeof SealingKey>;

/** A flattened JWE (RFC 7516 section 7.2.2) of `Secrets`; its `aad` names the one task and generation that may open it. */
export const SealedSecrets = z.strictObject({
  protected: z.string(),
  iv: z.string(),
  ciphertext: z.string(),
  tag: z.string(),
  aad: z.string(),
});
export type SealedSecrets = z.infer<typeof SealedSecrets>;

/** What is sealed to the agent. */
export const Secrets = z.strictObject({
  git: z.array(z.strictObject({ host: z.string(), username: z.string(), password: z.string() })).default([]),
  /** A private key (PEM or OpenSSH, without a passphrase) with which the person's commits are signed. */
  signing: z.strictObject({ format: z.enum(["ssh", "openpgp"]), key: z.string().max(65_536) }).optional(),
  /** Logins of registries of images and features, by host as in an image's name. */
  registries: z.array(z.strictObject({ host: z.string(), username: z.string(), password: z.string() })).optional(),
  /** Variables that lifecycle hooks get, and no file keeps. */
  variables: z.record(z.string(), z.string()).optional(),
});
export type Secrets = z.infer<typeof Secrets>;

const taskData = {
  "vm.provision": z.strictObject({
    pool: PoolName,
    homeDisk: DiskId,
    /** What will be opened in the VM, so that one that holds it already can be taken. */
    source: z
      .strictObject({
        repository: RepositoryUrl,
        branch: BranchName.optional(),
        devcontainerPath: z.string().optional(),
        organisation: z.string(),
      })
      .optional(),
  }),
  "vm.stop": z.strictObject({ policy: z.enum(["release", "suspend"]) }),
  "vm.destroy": z.strictObject({ homeDisk: z.union([DiskId, z.null()]) }),
  "vm.status": z.strictObject({
    /** Whether the pools are asked for as well. */
    pools: z.boolean().optional(),
  }),
  "gitspace.start": z.strictObject({
    repository: z.strictObject({
      url: RepositoryUrl,
      branch: BranchName.optional(),
      depth: CloneDepth.optional(),
      filter: CloneFilter.optional(),
    }),
    devcontainerPath: z.string().optional(),
    ide: z.enum(["vs_code_web"]),
    author: z.strictObject({ name: z.string(), email: z.string() }),
    secrets: SealedSecrets.nullable(),
  }),
  "gitspace.stop": z.strictObject({}),
  "gitspace.remove": z.strictObject({ deleteData: z.boolean() }),
  "gitspace.status": z.strictObject({}),
} as const;

export const taskTypes = Object.keys(taskData) as (keyof typeof taskData)[];
export const TaskType = z.enum(taskTypes as [keyof typeof taskData, ...(keyof typeof taskData)[]]);
export type TaskType = keyof typeof taskData;

const base = {
  v: z.literal(1),
  id: TaskId,
  gitspaceId: GitspaceId,
  generation: Generation,
  /** Milliseconds since the epoch. */
  deadline: z.int().min(1),
  traceparent: z.string().max(100).optional(),
};

function vmTask<T extends TaskType, D extends z.ZodType>(type: T, data: D) {
  return z.strictObject({ ...base, type: z.literal(type), data });
}

function gitspaceTask<T extends TaskType, D extends z.ZodType>(type: T, data: D) {
  /** A compact EdDSA JWS of the control plane; see signing.ts. */
  return z.strictObject({ ...base, type: z.literal(type), data, signature: z.string() });
}

export const VmTask = z.discriminatedUnion("type", [
  vmTask("vm.provision", taskData["vm.provision"]),
  vmTask("vm.stop", taskData["vm.stop"]),
  vmTask("vm.destroy", taskData["vm.destroy"]),
  vmTask("vm.status", taskData["vm.status"]),
]);
export type VmTask = z.infer<typeof VmTask>;

export const GitspaceTask = z.discriminatedUnion("type", [
  gitspaceTask("gitspace.start", taskData["gitspace.start"]),
  gitspaceTask("gitspace.stop", taskData["gitspace.stop"]),
  gitspaceTask("gitspace.remove", taskData["gitspace.remove"]),
  gitspaceTask("gitspace.status", taskData["gitspace.status"]),
]);
export type GitspaceTask = z.infer<typeof GitspaceTask>;

export const Task = z.discriminatedUnion("type", [...VmTask.options, ...GitspaceTask.options]);
export type Task = z.infer<typeof Task>;

/** The same envelope before anything is known of its type: what a delegate reads to answer `unsupported`. */
export const TaskHead = z.looseObject({ ...base, v: z.number(), type: z.string() });

export const Power = z.enum(["making", "running", "suspending", "suspended", "resuming", "deleting", "gone"]);
export type Power = z.infer<typeof Power>;

const results = {
  "vm.provision": z.strictObject({
    vm: z.strictObject({ instanceId: InstanceId, pool: PoolName }),
    agentKey: SealingKey,
    warm: z.boolean(),
  }),
  "vm.stop": z.strictObject({ power: z.enum(["gone", "suspended"]) }),
  "vm.destroy": z.strictObject({}),
  "vm.status": z.strictObject({
    vm: z.strictObject({ instanceId: InstanceId, power: Power, generation: Generation }).nullable(),
    pools: z.array(PoolState).optional(),
  }),
  "gitspace.start": z.strictObject({
    /** Where the repository stands inside the Gitspace; what the IDE opens. */
    folder: z.string(),
    user: z.string(),
    ports: z.array(Port),
    /** What of devcontainer.json was asked for and not applied, one sentence each. */
    notApplied: z.array(z.string()),
  }),
  "gitspace.stop": z.strictObject({ hasGitChanges: z.boolean() }),
  "gitspace.remove": z.strictObject({}),
  "gitspace.status": z.strictObject({
    state: z.enum(["unclaimed", "starting", "running", "stopped", "removed", "error"]),
    ports: z.array(Port),
    ide: z.enum(["starting", "ready", "failed"]),
    hasGitChanges: z.boolean(),
    /** The Gitspace's own disk. */
    disk: z.strictObject({ totalMb: z.int().min(0), freeMb: z.int().min(0) }).optional(),
  }),
} as const;

export type TaskResult<T extends TaskType> = z.infer<(typeof results)[T]>;
/** The schema of the result of an `ok` answer to a task of this type. */
export function resultSchema<T extends TaskType>(type: T): (typeof results)[T] {
  return results[type];
}

/** Milliseconds by stage name. A name that ends in `At` is a moment: milliseconds of the machine's monotonic clock. */
export const Timings = z.record(z.string(), z.number());
export type Timings = z.infer<typeof Timings>;

const answerBase = { taskId: TaskId, generation: Generation, timings: Timings };
export const Answer = z.discriminatedUnion("outcome", [
  z.strictObject({ ...answerBase, outcome: z.literal("ok"), result: z.record(z.string(), z.unknown()) }),
  z.strictObject({ ...answerBase, outcome: z.literal("failed"), failure: Failure }),
]);
export type Answer = z.infer<typeof Answer>;

/** The answer of a task that was done. */
export function okAnswer<T extends TaskType>(
  task: { id: TaskId; generation: number; type: T },
  result: TaskResult<T>,
  timings: Timings = {},
): Answer {
  return { taskId: task.id, generation: task.generation, outcome: "ok", result, timings };
}

/** The answer of a task that was not done. */
export function failedAnswer(
  task: { id: TaskId; generation: number },
  failure: Failure,
  timings: Timings = {},
): Answer {
  return { taskId: task.id, generation: task.generation, outcome: "failed", failure, timings };
}
