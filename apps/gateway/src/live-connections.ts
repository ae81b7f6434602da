// Everything that runs through the gateway now: so that lost access ends it, and its bytes count as activity.
import type { Socket } from "node:net";
import type { Session } from "./admission.ts";

export type Connection = {
  gitspaceId: string;
  generation: number;
  port: number;
  session: Session | undefined;
  socket: Socket;
};
type Entry = Connection & { end: AbortController; counted: number };
export type Activity = { gitspaceId: string; generation: number; bytes: number };

export class LiveConnections {
  readonly #entries = new Set<Entry>();
  readonly #bytes = new Map<string, Activity>();

  get size(): number {
    return this.#entries.size;
  }

  /** Registers a connection; `ended` aborts when it has to end, disposal when it is over. */
  open(connection: Connection): { ended: AbortSignal } & Disposable {
    const entry = { ...connection, end: new AbortController(), counted: moved(connection.socket) };
    this.#entries.add(entry);
    return {
      ended: entry.end.signal,
      [Symbol.dispose]: () => {
        this.#count(entry);
        this.#entries.delete(entry);
      },
    };
  }

  /** Ends what is no longer allowed. */
  recheck(isAllowed: (connection: Connection) => boolean, gitspaceId?: string): void {
    for (const entry of this.#entries) {
      if (gitspaceId !== undefined && entry.gitspaceId !== gitspaceId) continue;
      if (!isAllowed(entry)) entry.end.abort();
    }
  }

  /** What moved per Gitspace since the last call. */
  takeActivity(): Activity[] {
    for (const entry of this.#entries) this.#count(entry);
    const taken = [...this.#bytes.values()].filter(({ bytes }) => bytes > 0);
    this.#bytes.clear();
    return taken;
  }

  #count(entry: Entry): void {
    const now = moved(entry.socket);
    const before = this.#bytes.get(entry.gitspaceId)?.bytes ?? 0;
    this.#bytes.set(entry.gitspaceId, {
      gitspaceId: entry.gitspaceId,
      generation: entry.generation,
      bytes: before + now - entry.counted,
    });
    entry.counted = now;
  }
}

function moved(socket: Socket): number {
  return socket.bytesRead + socket.bytesWritten;
}
