// What a pass is: a secret that opens ports of Gitspaces to whoever holds it, within a scope. `./passes` makes and reads them.
import { z } from "zod";
import { IDE_PORT, Port } from "./names.ts";

/** `token`: for programs, as its owner. `link`: for whoever has it, one port of one Gitspace. */
export const PassKind = z.enum(["token", "link"]);
export type PassKind = z.infer<typeof PassKind>;

/** Where the agent's SSH server is reached; like the IDE it is a shell, and never opened to anybody but the owner. */
const SSH_TARGET_PORT = 8022;

/** Whether a port may be anything else than private: the IDE and SSH may not. */
export function mayBeShared(port: number): boolean {
  return port !== IDE_PORT && port !== SSH_TARGET_PORT;
}

/** Characters that servers read in several ways are left out, so that a prefix means one thing. */
export const PathPrefix = z
  .string()
  .max(500)
  .regex(/^\/[A-Za-z0-9._~!$&'()*+,=:@/-]*$/, "should be a path such as /docs")
  .refine(
    (path) => !path.includes("//") && path.split("/").every((part) => part !== "." && part !== ".."),
    "should be a path without empty or dot segments",
  );

/** `UPGRADE` stands for every upgrade, such as a WebSocket; the others are HTTP's. */
export const PassMethod = z
  .string()
  .regex(/^[A-Z]{3,20}$/, "should be a method such as GET, or UPGRADE for WebSockets");
export const PassMethods = z.array(PassMethod).min(1).max(20);

/** What a pass opens, as far as a request is concerned. Without `methods`: all. */
export type Scope = { expiresAt: number; path: string; methods?: string[] | undefined };

/** A pass as an access document names it: its public half. Whatever is not named there opens nothing. */
export const Pass = z.strictObject({
  id: z.string().regex(/^[a-z0-9]{12}$/),
  kind: PassKind,
  /** Ed25519 public key, base64url. */
  key: z.string().length(43),
  /** None: every port that may be shared. */
  ports: z.array(Port).optional(),
  path: PathPrefix,
  methods: PassMethods.optional(),
  /** Milliseconds since the epoch. */
  expiresAt: z.number(),
});
export type Pass = z.infer<typeof Pass>;

/** What a holder may take away from a pass; each field narrows, none can widen. */
export const Narrowing = z.strictObject({
  expiresAt: z.number().optional(),
  path: PathPrefix.optional(),
  methods: PassMethods.optional(),
});
export type Narrowing = z.infer<typeof Narrowing>;

/** The part of a scope that a narrowing leaves; nothing when the two have nothing in common. */
export function narrowed(scope: Scope, { expiresAt, path, methods }: Narrowing): Scope | undefined {
  const left = path === undefined || isBelow(scope.path, path) ? scope.path : path;
  if (!isBelow(left, scope.path)) return undefined;
  const both = methods === undefined ? scope.methods : methods.filter((each) => scope.methods?.includes(each) ?? true);
  if (both?.length === 0) return undefined;
  return {
    expiresAt: Math.min(scope.expiresAt, expiresAt ?? Infinity),
    path: left,
    ...(both === undefined ? {} : { methods: both }),
  };
}

/** Whether a path is a prefix itself or below it, by whole segments. */
export function isBelow(path: string, prefix: string): boolean {
  return prefix === "/" || path === prefix || path.startsWith(prefix.endsWith("/") ? prefix : `${prefix}/`);
}
