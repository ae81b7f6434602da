// How far starts are, followed from the control plane while somebody here looks: one stream per Gitspace, shared by all who do.
import { parse, type ProgressEvent, ProgressMessage } from "@gitspaces/contracts";
import { backoff, type Logger } from "@gitspaces/daemon";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Changes } from "../changes.ts";
import { askControlPlane, type ControlPlane, expectSuccess } from "../control-plane.ts";

/** The control plane says something every 5 s. */
const SILENCE_MS = 20_000;
const KEPT = 200;
/** Longer than a page without a script takes to come again. */
const LINGER_MS = 6_000;
const BEGINS: readonly string[] = ["gitspace_action_start", "gitspace_action_reset"];

type State = Extract<ProgressMessage, { event: "state" }>["data"];
export type Seen = {
  /** The timeline of the present start. */
  readonly events: readonly ProgressEvent[];
  readonly state: string | null;
  readonly failure: State["failure"];
  /** Whether the control plane is heard. */
  readonly isHeard: boolean;
};
type Entry = { seen: Seen; watchers: number; stop: AbortController };
const nothing: Seen = { events: [], state: null, failure: null, isHeard: false };

export class Progress implements Disposable {
  readonly #with: { controlPlane: ControlPlane; changes: Changes; log: Logger };
  readonly #entries = new Map<string, Entry>();

  constructor(collaborators: { controlPlane: ControlPlane; changes: Changes; log: Logger }) {
    this.#with = collaborators;
  }

  /** How many Gitspaces are followed. */
  get size(): number {
    return this.#entries.size;
  }

  /** Follows a Gitspace until disposed. News is told through `changes`. */
  watch(gitspaceId: string): { readonly present: Seen } & Disposable {
    const entry = this.#entries.get(gitspaceId) ?? this.#begin(gitspaceId);
    entry.watchers++;
    return {
      get present() {
        return entry.seen;
      },
      [Symbol.dispose]: () => {
        if (--entry.watchers > 0) return;
        entry.stop.abort();
        if (this.#entries.get(gitspaceId) === entry) this.#entries.delete(gitspaceId);
      },
    };
  }

  /** What is known now, without following it. */
  present(gitspaceId: string): Seen {
    return this.#entries.get(gitspaceId)?.seen ?? nothing;
  }

  /** Follows a Gitspace for a few seconds from now. */
  linger(gitspaceId: string): void {
    const watched = this.watch(gitspaceId);
    setTimeout(() => watched[Symbol.dispose](), LINGER_MS).unref();
  }

  [Symbol.dispose](): void {
    for (const { stop } of this.#entries.values()) stop.abort();
    this.#entries.clear();
  }

  #begin(gitspaceId: string): Entry {
    const entry: Entry = { seen: nothing, watchers: 0, stop: new AbortController() };
    this.#entries.set(gitspaceId, entry);
    this.#follow(gitspaceId, entry).catch((err: unknown) => {
      if (!entry.stop.signal.aborted) this.#with.log.error({ err, gitspaceId }, "progress is no longer followed");
    });
    return entry;
  }

  async #follow(gitspaceId: string, entry: Entry): Promise<void> {
    const { signal } = entry.stop;
    const pause = backoff({ firstMs: 100, maxMs: 2_000, signal });
    for (;;) {
      try {
        await this.#read(gitspaceId, entry, () => pause.reset());
      } catch (error) {
        signal.throwIfAborted();
        this.#with.log.debug({ gitspaceId, reason: (error as Error).message }, "progress is not heard");
      }
      this.#show(gitspaceId, entry, { isHeard: false });
      await pause.wait();
    }
  }

  async #read(gitspaceId: string, entry: Entry, onHeard: () => void): Promise<void> {
    const answer = await askControlPlane(this.#with.controlPlane, {
      method: "GET",
      path: `api/gateway/v1/gitspaces/${gitspaceId}/progress`,
      headers: { accept: "text/event-stream" },
      signal: entry.stop.signal,
    });
    expectSuccess(answer);
    answer.setTimeout(SILENCE_MS, () => answer.destroy(new Error(`nothing was heard for ${SILENCE_MS / 1_000} s`)));
    const heard: EventSourceMessage[] = [];
    const parser = createParser({ onEvent: (message) => heard.push(message) });
    const text = new TextDecoder();
    // Each stream begins with the start's beginning.
    let seen: Seen = { ...nothing, isHeard: true };
    for await (const chunk of answer) {
      onHeard();
      parser.feed(text.decode(chunk as Buffer, { stream: true }));
      const news = heard.splice(0);
      if (news.length === 0) continue;
      seen = news.reduce(after, seen);
      this.#show(gitspaceId, entry, seen);
    }
  }

  #show(gitspaceId: string, entry: Entry, news: Partial<Seen>): void {
    entry.seen = { ...entry.seen, ...news };
    this.#with.changes.tell(gitspaceId);
  }
}

/** What is known after one more message; a new start begins a new story. */
function after(seen: Seen, { event, data }: EventSourceMessage): Seen {
  const message = parse(ProgressMessage, { event, data: JSON.parse(data) }, "progress");
  if (message.event === "state") return { ...seen, state: message.data.state, failure: message.data.failure };
  const isNew = BEGINS.includes(message.data.kind);
  const before = isNew ? [] : seen.events;
  if (before.some(({ id }) => id === message.data.id)) return seen;
  return { ...seen, events: [...before, message.data].slice(-KEPT) };
}
