// Identifiers that appear in host names, file names, labels and Redis keys. Each is checked before it is used as one.
import { z } from "zod";

/** A Gitspace's id is also its host label: a slug of at most 40 characters without `--`, a dash, six random characters. */
export const GitspaceId = z
  .string()
  .max(47)
  .regex(/^(?!.*--)[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?-[a-z0-9]{6}$/, "should be a Gitspace id such as hello-k3v9x2");
export type GitspaceId = z.infer<typeof GitspaceId>;

export const TaskId = z.uuid("should be a UUID");
export type TaskId = z.infer<typeof TaskId>;

/** An instance id is given by the provider; it is used in file names and certificates, so it is kept plain. */
export const InstanceId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "should be lower-case letters, digits and dashes");
export type InstanceId = z.infer<typeof InstanceId>;

export const PoolName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,39}$/, "should be lower-case letters, digits and dashes, a letter first");
export const DiskId = InstanceId;

/** Counts the accepted actions of a Gitspace, from 1. */
export const Generation = z.int().min(1);
export const Port = z.int().min(1).max(65_535);

/** The IDE inside a Gitspace is reached as this target port, wherever it really listens. */
export const IDE_PORT = 8089;
/** SSH inside a Gitspace is reached as this target port; the agent's own answer, whatever else listens there. */
export const SSH_PORT = 8022;
/** The one port of an agent. */
export const AGENT_PORT = 8083;

const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";

/** A Gitspace id for a name: its slug and six random characters. `random` gives bytes; 252 and above are drawn again. */
export function makeGitspaceId(name: string, random: (size: number) => Uint8Array): GitspaceId {
  let suffix = "";
  while (suffix.length < 6) {
    for (const byte of random(8)) if (byte < 252 && suffix.length < 6) suffix += alphabet[byte % 36];
  }
  return `${slugify(name)}-${suffix}`;
}

/** The host-safe form of a name: lower case, dashes, at most 40 characters, never empty. */
export function slugify(name: string): string {
  const slug = name
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 40)
    .replaceAll(/^-+|-+$/g, "");
  return slug === "" ? "gitspace" : slug;
}

export type Target = { gitspaceId: GitspaceId; port: number };

/** `3000--hello-k3v9x2.example.dev` → that Gitspace's port 3000; without a port, its IDE; nothing when the name is not ours. */
export function parseTarget(hostname: string, domain: string): Target | undefined {
  if (!hostname.endsWith(`.${domain}`)) return undefined;
  const label = hostname.slice(0, -domain.length - 1);
  const [, port, id] = /^(?:([1-9][0-9]{0,4})--)?([a-z0-9-]+)$/.exec(label) ?? [];
  if (id === undefined || !GitspaceId.safeParse(id).success) return undefined;
  const number = port === undefined ? IDE_PORT : Number(port);
  return number > 65_535 ? undefined : { gitspaceId: id, port: number };
}
