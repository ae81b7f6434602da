// Everything that runs through the gateway now: so that lost access ends it, and its bytes count as activity.
import type { ActivitySource } from "@gitspaces/contracts";
import type { Socket } from "node:net";
import type { Session } from "./admission.ts";
import { type Ending, OneEnding } from "./ending.ts";

export type Connection = {
  gitspaceId: string;
  generation: number;
  port: number;
  session: Session | undefined;
  /** What moves the bytes; `http` unless something else is said. */
  source?: ActivitySource;
  /** Who may go on, where that is not a session's matter. */
  isAllowed?: () => boolean;
  /** Its counters are what is counted. */
  socket: Pick<Socket, "bytesRead" | "bytesWritten">;
};
export type Live = {
  /** Aborts when it has to end. */
  readonly ended: Ending;
  /** Nobody answered at the other end: what moved is no activity. */
  failed(): void;
} & Disposable;
/** What moved over one source and port of a Gitspace. `active`: whether any of it was use. */
export type Activity = {
  gitspaceId: string;
  generation: number;
  source: ActivitySource;
  port: number;
  bytes: number;
  active: boolean;
};

/**
 * What an open connection moves within a minute without being used: an editor that is left open says a few hundred bytes to keep
 * itself alive, an SSH session less. A person who types moves more.
 */
export const IDLE_BYTES = 4_096;

/** One of them; there is one for every request, so it is its own ending. */
class Entry extends OneEnding implements Live {
  readonly connection: Connection;
  readonly #all: LiveConnections;
  counted: number;
  isNew = true;

  constructor(connection: Connection, all: LiveConnections) {
    super();
    this.connection = connection;
    this.#all = all;
    this.counted = total(connection.socket);
  }

  get source(): ActivitySource {
    return this.connection.source ?? "http";
  }

  get ended(): Ending {
    return this;
  }

  failed(): void {
    this.counted = Number.POSITIVE_INFINITY;
  }

  [Symbol.dispose](): void {
    this.#all.left(this);
  }
}

export class LiveConnections {
  readonly #entries = new Set<Entry>();
  readonly #moved = new Map<string, Activity>();

  get size(): number {
    return this.#entries.size;
  }

  /** Registers a connection until it is disposed. */
  open(connection: Connection): Live {
    const entry = new Entry(connection, this);
    this.#entries.add(entry);
    return entry;
  }

  /** One is over. */
  left(entry: Entry): void {
    this.#count(entry);
    this.#entries.delete(entry);
  }

  /** Ends what is no longer allowed. */
  recheck(isAllowed: (connection: Connection) => boolean, gitspaceId?: string): void {
    for (const entry of this.#entries) {
      if (gitspaceId !== undefined && entry.connection.gitspaceId !== gitspaceId) continue;
      if (!isAllowed(entry.connection)) entry.abort();
    }
  }

  /** Whether anything of this source is open to a Gitspace. */
  has(gitspaceId: string, source: ActivitySource): boolean {
    return [...this.#entries].some((entry) => entry.connection.gitspaceId === gitspaceId && entry.source === source);
  }

  /** How many connections are open that `source` moves bytes by. */
  count(source: ActivitySource): number {
    return [...this.#entries].filter((entry) => entry.source === source).length;
  }

  /** Ends everything for one reason, which those hear who can tell it to the other end. */
  endAll(reason: unknown): void {
    for (const entry of this.#entries) entry.abort(reason);
  }

  /** What moved since the last call, which is made once a minute. */
  takeActivity(): Activity[] {
    for (const entry of this.#entries) this.#count(entry);
    const taken = [...this.#moved.values()];
    this.#moved.clear();
    return taken;
  }

  #count(entry: Entry): void {
    const { source, isNew } = entry;
    const { gitspaceId, generation, port, socket } = entry.connection;
    const now = total(socket);
    const bytes = now - entry.counted;
    // One that failed counts from infinity.
    if (bytes <= 0) return;
    entry.counted = now;
    entry.isNew = false;
    const key = [gitspaceId, generation, source, port].join(" ");
    const before = this.#moved.get(key);
    this.#moved.set(key, {
      gitspaceId,
      generation,
      source,
      port,
      bytes: bytes + (before?.bytes ?? 0),
      active: (before?.active ?? false) || isUse(source, bytes, isNew),
    });
  }
}

/** A request that was answered is use; what stays open is, while it moves more than it needs to stay alive. */
function isUse(source: ActivitySource, bytes: number, isNew: boolean): boolean {
  return (source === "http" && isNew) || bytes >= IDLE_BYTES;
}

function total(socket: Connection["socket"]): number {
  return socket.bytesRead + socket.bytesWritten;
}
