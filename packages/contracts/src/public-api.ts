// The public API of the control plane, under /api/v1. Field names are the existing product's: snake_case.
import { z } from "zod";
import { Visibility } from "./access.ts";
import { AutoStopMinutes } from "./activity.ts";
import { GitspaceId, PoolName, Port } from "./names.ts";
import { BranchName, CloneDepth, CloneFilter, RepositoryUrl } from "./task.ts";

export const GitspaceState = z.enum([
  "uninitialized",
  "starting",
  "running",
  "stopping",
  "stopped",
  "cleaning",
  "error",
  "deleted",
]);
export type GitspaceState = z.infer<typeof GitspaceState>;
export const Ide = z.enum(["vs_code_web"]);

const Timestamp = z.number().int().describe("milliseconds since the epoch");

export const CreateGitspace = z.strictObject({
  name: z.string().trim().min(1).max(40).optional().describe("defaults to the repository's name"),
  code_repo_url: RepositoryUrl,
  branch: BranchName.optional().describe("defaults to the repository's default branch"),
  code_repo_token: z
    .string()
    .min(1)
    .max(4_096)
    .optional()
    .describe("a token to read a private repository; kept encrypted, never answered"),
  code_repo_user: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe("user name that goes with the token; defaults to oauth2"),
  clone_depth: CloneDepth.optional().describe("fetch so many commits only; defaults to the whole history"),
  clone_filter: CloneFilter.optional().describe("leave out what is fetched when it is needed: a partial clone"),
  devcontainer_path: z.string().max(500).optional(),
  ide: Ide.default("vs_code_web"),
  resource_identifier: PoolName.optional().describe("the machine: a pool of the runner"),
  auto_stop_minutes: AutoStopMinutes.optional().describe("stop it after so many idle minutes; defaults to never"),
});
export type CreateGitspace = z.input<typeof CreateGitspace>;

export const GitspaceInstance = z.object({
  identifier: z.string(),
  state: z.string(),
  url: z.string().nullable(),
  error_message: z.string().nullable(),
  error_code: z.string().nullable(),
  last_used: Timestamp.nullable(),
  active_time_started: Timestamp.nullable(),
  active_time_ended: Timestamp.nullable(),
  total_time_used: z.number().int().describe("milliseconds"),
  has_git_changes: z.boolean().nullable(),
  machine_user: z.string().nullable(),
  warm: z.boolean().nullable().describe("whether a VM stood ready"),
  created: Timestamp,
  updated: Timestamp,
});

export const Gitspace = z.object({
  identifier: GitspaceId,
  name: z.string(),
  state: GitspaceState,
  ide: Ide,
  code_repo_url: z.string(),
  branch: z.string().nullable(),
  devcontainer_path: z.string().nullable(),
  resource_identifier: z.string(),
  user_id: z.string(),
  user_display_name: z.string(),
  generation: z.number().int(),
  created: Timestamp,
  updated: Timestamp,
  url: z.string().describe("where the Gitspace is opened"),
  instance: GitspaceInstance.nullable(),
  undelete_until: Timestamp.nullable()
    .default(null)
    .describe("of a deleted Gitspace: until when its home disk is kept and it can be undeleted"),
  auto_stop_minutes: AutoStopMinutes.nullable()
    .default(null)
    .describe("after how many idle minutes it is stopped; null: never"),
});
export type Gitspace = z.infer<typeof Gitspace>;

export const GitspaceAction = z.strictObject({ action: z.enum(["start", "stop", "reset", "cancel", "undelete"]) });

export const GitspaceEvent = z.object({
  id: z.number().int().describe("one sequence over the whole control plane"),
  event: z.string(),
  gitspace_identifier: GitspaceId,
  instance_identifier: z.string().nullable(),
  task_id: z.string().nullable(),
  message: z.string(),
  timestamp: Timestamp,
  fields: z.record(z.string(), z.unknown()).nullable(),
});
export type GitspaceEvent = z.infer<typeof GitspaceEvent>;

export const LogLine = z.object({
  pos: z.number().int(),
  out: z.string(),
  time: Timestamp,
  task_id: z.string().nullable(),
});
export type LogLine = z.infer<typeof LogLine>;

export const TaskView = z.object({
  task_id: z.string(),
  type: z.string(),
  state: z.enum(["offered", "acquired", "answered"]),
  outcome: z.enum(["ok", "failed"]).nullable(),
  result: z.record(z.string(), z.unknown()).nullable(),
  failure: z.record(z.string(), z.unknown()).nullable(),
  timings: z.record(z.string(), z.number()).nullable(),
});
export type TaskView = z.infer<typeof TaskView>;

export const SignInLink = z.object({ sign_in_url: z.string(), expires_at: Timestamp });
export const CreateSignInLink = z.strictObject({ gitspace_identifier: GitspaceId.optional() });

export const CreateUser = z.strictObject({
  identifier: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,39}$/, "should be lower-case letters, digits and dashes, a letter first"),
  display_name: z.string().min(1).max(100),
  email: z.email(),
});
export const User = z.object({
  identifier: z.string(),
  display_name: z.string(),
  email: z.string(),
  role: z.enum(["admin", "user"]),
  created: Timestamp,
});
export type User = z.infer<typeof User>;

export const CreateToken = z.strictObject({
  name: z.string().min(1).max(100),
  user_identifier: z.string().optional().describe("an administrator may make one for somebody else"),
  expires_in_days: z.int().min(1).max(365).default(90),
});
export const PersonalToken = z.object({
  identifier: z.string(),
  name: z.string(),
  user_identifier: z.string(),
  created: Timestamp,
  expires_at: Timestamp,
  last_used: Timestamp.nullable(),
});
export const NewPersonalToken = PersonalToken.extend({ token: z.string().describe("shown once") });

export const ListeningPorts = z.object({
  ports: z.array(z.object({ port: Port, url: z.string(), visibility: Visibility.default("private") })),
});
