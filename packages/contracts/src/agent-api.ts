// What an agent is told, asked and answers. One TLS port; the caller's certificate says what it may do.
import { z } from "zod";
import { TaskEvent } from "./event.ts";
import { DiskId, Generation, GitspaceId, InstanceId, TaskId } from "./names.ts";
import { Answer, BranchName, GitspaceTask, RepositoryUrl, SealingKey } from "./task.ts";

/** The instance metadata an agent starts from. */
export const AgentMetadata = z.strictObject({
  enrolUrl: z.url({ protocol: /^https$/ }),
  /** SHA-256 of the CA certificate (DER), hex. */
  caFingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  token: z.string().min(32),
  instanceId: InstanceId,
  /** What the VM is to hold before it says that it is ready. */
  preload: z
    .strictObject({
      images: z.array(z.string()),
      repository: z
        .strictObject({
          url: RepositoryUrl,
          branch: BranchName.optional(),
          devcontainerPath: z.string().optional(),
          /** May read this repository; the agent wipes it from the metadata before it says that it is ready. */
          credential: z.strictObject({ username: z.string(), password: z.string() }).optional(),
        })
        .optional(),
    })
    .optional(),
});
export type AgentMetadata = z.infer<typeof AgentMetadata>;

/** Public keys as RFC 7517 has them; jose checks what is inside. */
export const KeySet = z.strictObject({ keys: z.array(z.looseObject({ kty: z.string() })) });
export type KeySet = z.infer<typeof KeySet>;

export const EnrolRequest = z.strictObject({ token: z.string(), csr: z.string().max(8_192) });
export type EnrolRequest = z.infer<typeof EnrolRequest>;
/** `POST /renew` is the same without a token: the request is made under the present certificate, with the same key. */
export const RenewRequest = z.strictObject({ csr: z.string().max(8_192), certificate: z.string().max(16_384) });
export type RenewRequest = z.infer<typeof RenewRequest>;
export const EnrolAnswer = z.strictObject({
  /** PEM. */
  certificate: z.string(),
  /** PEM of every CA certificate to trust. */
  ca: z.string(),
  installation: z.string(),
  /** The keys that sign tasks. */
  controlPlaneKeys: KeySet,
});
export type EnrolAnswer = z.infer<typeof EnrolAnswer>;

/** A certificate's subject alternative name: `gs://<installation>/<role>/<name>`. An agent's role is `vm`. */
export const roles = ["vm", "runner", "delegate", "gateway"] as const;
export type Role = (typeof roles)[number];
export function certificateName(installation: string, role: Role, name: string): string {
  return `gs://${installation}/${role}/${name}`;
}
/** Reads a certificate's name, or nothing when it is not one of ours. */
export function parseCertificateName(uri: string): { installation: string; role: Role; name: string } | undefined {
  const [, installation, role, name] =
    /^gs:\/\/([a-z0-9-]+)\/(vm|runner|delegate|gateway)\/([a-z0-9-]+)$/.exec(uri) ?? [];
  return installation === undefined || name === undefined ? undefined : { installation, role: role as Role, name };
}

/** `PUT /identity`, runner only: the last fence of a claim. The same one again is answered again; another is `conflict`. */
export const Identity = z.strictObject({
  gitspaceId: GitspaceId,
  generation: Generation,
  taskId: TaskId,
  homeDisk: DiskId,
});
export type Identity = z.infer<typeof Identity>;
export const IdentityAnswer = z.strictObject({ agentKey: SealingKey });
export type IdentityAnswer = z.infer<typeof IdentityAnswer>;

/** `GET /status`: runner and gateway. */
export const AgentStatus = z.strictObject({
  instanceId: InstanceId,
  identity: Identity.nullable(),
  generation: z.int().min(0),
  ide: z.enum(["starting", "ready", "failed"]),
});
export type AgentStatus = z.infer<typeof AgentStatus>;

/** `POST /tasks`, gateway only: 202 once the task is in the agent's journal. */
export const TaskRequest = GitspaceTask;
export const TaskAccepted = z.strictObject({ taskId: TaskId });

/** Names the Gitspace of a relayed request, so that the gateway finds its route without reading the body. */
export const GITSPACE_HEADER = "gs-gitspace";

/**
 * `CONNECT localhost:8022` carries, as base64, the OpenSSH public keys (`type blob`, one a line) that may log in on this connection.
 * The answer names the one user who can, and the host key of the `sshd` behind it (`type blob`).
 */
export const SSH_KEYS_HEADER = "gitspaces-ssh-keys";
export const SSH_USER_HEADER = "gitspaces-ssh-user";
export const SSH_HOST_KEY_HEADER = "gitspaces-ssh-host-key";

/** A line of `GET /tasks/{id}/events?after=seq` (NDJSON). The answer is the last line; `ping` keeps the connection alive. */
export const TaskStreamLine = z.union([
  z.strictObject({ event: TaskEvent }),
  z.strictObject({ answer: Answer }),
  z.strictObject({ ping: z.number() }),
]);
export type TaskStreamLine = z.infer<typeof TaskStreamLine>;
