// Which tasks a delegate is offered, and when it is told of them again.
import type { Clock } from "@gitspaces/daemon";
import type { DelegateRow } from "../store/delegates.ts";
import type { Store } from "../store/store.ts";
import type { TaskRow } from "../store/tasks.ts";
import type { Presence } from "./presence.ts";

/** A long poll is not woken by a task it was told of less than this ago: the delegate is acquiring it. */
export const TELL_AGAIN_MS = 2_000;
/** A delegate that does not say how much it can take is offered so many at once, whatever waits here. */
const LONGEST_LIST = 200;
/** A cancelled task is worth naming for so long; after that it has ended by itself. */
const NAME_CANCELLED_MS = 600_000;

/** Whether a delegate with these tags and types may have a task. Selectors name a delegate or one of its tags; none fits all. */
export function fits(
  delegate: DelegateRow,
  task: Pick<TaskRow, "type" | "refused">,
  selectors: readonly string[],
): boolean {
  const types = JSON.parse(delegate.types) as string[];
  if (types.length > 0 && !types.includes(task.type)) return false;
  if ((JSON.parse(task.refused) as string[]).includes(delegate.id)) return false;
  return isSelected(delegate, selectors);
}

function isSelected(delegate: DelegateRow, selectors: readonly string[]): boolean {
  const tags = JSON.parse(delegate.tags) as string[];
  return selectors.length === 0 || selectors.some((selector) => selector === delegate.name || tags.includes(selector));
}

/** Why nobody took a task that was on offer until its deadline, and what helps. */
export function whyUntaken(connected: readonly DelegateRow[], selectors: readonly string[]): string {
  if (connected.length === 0) return "none is connected. Start one, or look into its log.";
  if (connected.some((delegate) => isSelected(delegate, selectors)))
    return "those that are connected have no room, or may not do such tasks.";
  const wanted = selectors.join(" or ");
  const cure = "Give one that tag (its GITSPACES_TAGS), or change the control plane's GITSPACES_DELEGATE_SELECTORS.";
  return `no delegate with the name or tag ${wanted} is connected. ${cure}`;
}

export class Offers {
  readonly #store: Store;
  readonly #presence: Presence;
  readonly #clock: Clock;
  readonly #selectors: readonly string[];
  readonly #told = new Map<string, Map<string, number>>();
  readonly #cancelled = new Map<string, Set<string>>();

  constructor(store: Store, presence: Presence, clock: Clock, selectors: readonly string[]) {
    this.#store = store;
    this.#presence = presence;
    this.#clock = clock;
    this.#selectors = selectors;
  }

  /** All that a delegate may acquire now, as many as it has room for. */
  list(delegate: DelegateRow): TaskRow[] {
    const held = this.#store.tasks.heldBy({ holder: delegate.id })?.count ?? 0;
    const room = this.#presence.room(delegate.id, held);
    if (room <= 0) return [];
    if (!this.isServed(delegate)) return [];
    const limit = Math.min(room, LONGEST_LIST);
    return this.#store.tasks.offered({ delegate: delegate.id, types: delegate.types, limit });
  }

  /** Whether a delegate is one of those that get tasks at all. */
  isServed(delegate: DelegateRow): boolean {
    return isSelected(delegate, this.#selectors);
  }

  /** Those of `list` that the delegate was not told of just now. */
  untold(delegate: DelegateRow): TaskRow[] {
    const now = this.#clock.now();
    const told = this.#told.get(delegate.id) ?? new Map<string, number>();
    const offered = this.list(delegate);
    const ids = new Set(offered.map((task) => task.id));
    for (const id of told.keys()) if (!ids.has(id)) told.delete(id);
    const fresh = offered.filter((task) => now - (told.get(task.id) ?? 0) >= TELL_AGAIN_MS);
    for (const task of fresh) told.set(task.id, now);
    this.#told.set(delegate.id, told);
    return fresh;
  }

  /** In how many milliseconds something it was told of is to be told again, if it still is on offer. */
  tellAgainMs(delegate: DelegateRow): number {
    const times = [...(this.#told.get(delegate.id)?.values() ?? [])];
    return Math.max(0, Math.min(...times) + TELL_AGAIN_MS - this.#clock.now());
  }

  /** Tasks that a delegate holds and nobody wants any more; each is named once. */
  cancelled(delegate: DelegateRow): string[] {
    const named = this.#cancelled.get(delegate.id) ?? new Set<string>();
    const since = this.#clock.now() - NAME_CANCELLED_MS;
    const ids = this.#store.tasks.cancelledOf({ holder: delegate.id, since }).map(({ id }) => id);
    this.#cancelled.set(delegate.id, new Set(ids));
    return ids.filter((id) => !named.has(id));
  }

  /** What `whyUntaken` says now. */
  whyUntaken(): string {
    const connected = this.#store.delegates.list().filter(({ id }) => this.#presence.isHere(id));
    return whyUntaken(connected, this.#selectors);
  }

  /** Whether any delegate that is here could still take a task. */
  hasTaker(task: Pick<TaskRow, "type" | "refused">): boolean {
    return this.#store.delegates
      .list()
      .some((delegate) => this.#presence.isHere(delegate.id) && fits(delegate, task, this.#selectors));
  }
}
