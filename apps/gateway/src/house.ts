// What every visit to the gateway works with.
import type { Clock, Logger } from "@gitspaces/daemon";
import type { Access } from "./access.ts";
import type { Session } from "./admission.ts";
import type { Changes } from "./changes.ts";
import type { CookieNames } from "./cookies.ts";
import type { Edge } from "./edge/edge.ts";
import type { Forwarder } from "./forwarder.ts";
import type { EventStreams } from "./hand-over/event-streams.ts";
import type { LiveConnections } from "./live-connections.ts";
import type { LinkSessions } from "./passes/link-sessions.ts";
import type { PassReader } from "./passes/pass-reader.ts";
import type { PassUses } from "./passes/pass-uses.ts";
import type { Routes } from "./routes.ts";
import type { Sessions } from "./sessions.ts";
import type { SpendCode } from "./sign-in.ts";
import type { TakeSsh } from "./ssh-over-websocket.ts";
import type { Upstreams } from "./upstreams.ts";
import type { Progress } from "./waiting/progress.ts";
import type { Waiting } from "./waiting/waiting.ts";

export type House = {
  domain: string;
  /** `http` or `https`, as browsers see it. */
  scheme: string;
  installation: string;
  edge: Edge;
  controlPlanePublicUrl: string;
  names: CookieNames;
  access: Access;
  routes: Routes;
  sessions: Sessions;
  /** Of browsers that opened a link. */
  links: LinkSessions;
  passes: PassReader;
  uses: PassUses;
  upstreams: Upstreams;
  forwarder: Forwarder;
  live: LiveConnections;
  eventStreams: EventStreams;
  changes: Changes;
  /** Waits until a Gitspace runs, and starts it for those who may. */
  waiting: Waiting;
  progress: Progress;
  spend: SpendCode;
  /** The SSH door, once it is open: takes a connection that came by another way than its port. */
  takeSsh?: TakeSsh;
  /** The gateway's SSH host keys (`type blob`), told at `/.gitspaces/ssh-host-keys`. */
  sshHostKeys?: readonly string[];
  clock: Clock;
  log: Logger;
};

/** The session of a request, unless it was revoked. */
export async function sessionOf(
  { sessions, access }: House,
  cookieHeader: string | undefined,
  hostname: string,
): Promise<Session | undefined> {
  const session = await sessions.read(cookieHeader, hostname);
  return session === undefined || access.isRevoked(session) ? undefined : session;
}
