// Where every Gitspace is, in memory. A lower generation never replaces a higher one; what ran over a replaced route ends.
import type { Route, RouteChange } from "@gitspaces/contracts";

/** A route while it holds. `ended` aborts when it is replaced or removed. */
export type Routed = { route: Route; ended: AbortSignal };
type Entry = Routed & { end: AbortController };

export class Routes {
  readonly #entries = new Map<string, Entry>();
  /** The highest generation seen, kept after a removal. */
  readonly #highest = new Map<string, number>();
  /** Counts changes of a Gitspace, so that a listing older than a change does not undo it. */
  readonly #changes = new Map<string, number>();
  #count = 0;
  /** Called after a Gitspace's route changed. */
  onChange: (gitspaceId: string) => void = () => {};

  find(gitspaceId: string): Routed | undefined {
    return this.#entries.get(gitspaceId);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Applies a change; answers whether it was news. */
  apply(change: RouteChange): boolean {
    const { gitspaceId, generation } = change.change === "set" ? change.route : change;
    if (generation < (this.#highest.get(gitspaceId) ?? 0)) return false;
    this.#highest.set(gitspaceId, generation);
    this.#changes.set(gitspaceId, ++this.#count);
    if (change.change === "removed") return this.#end(gitspaceId);
    const present = this.#entries.get(gitspaceId);
    if (present !== undefined && sameRoute(present.route, change.route)) return false;
    this.#end(gitspaceId);
    const end = new AbortController();
    this.#entries.set(gitspaceId, { route: change.route, end, ended: end.signal });
    this.onChange(gitspaceId);
    return true;
  }

  /** A mark to take before a listing is read. */
  get moment(): number {
    return this.#count;
  }

  /** Takes the routes of a listing read after `moment`, unless they changed since. What it lacks stays. */
  addAll(listing: readonly Route[], moment: number): void {
    for (const route of listing)
      if ((this.#changes.get(route.gitspaceId) ?? 0) <= moment) this.apply({ change: "set", route });
  }

  /** Takes a complete listing read after `moment`: what it lacks is gone, unless it changed since. */
  replaceAll(listing: readonly Route[], moment: number): void {
    const listed = new Set(listing.map((route) => route.gitspaceId));
    this.addAll(listing, moment);
    for (const gitspaceId of this.#entries.keys()) {
      if (!listed.has(gitspaceId) && (this.#changes.get(gitspaceId) ?? 0) <= moment) this.#end(gitspaceId);
    }
  }

  #end(gitspaceId: string): boolean {
    const entry = this.#entries.get(gitspaceId);
    this.#entries.delete(gitspaceId);
    entry?.end.abort();
    if (entry !== undefined) this.onChange(gitspaceId);
    return entry !== undefined;
  }
}

function sameRoute(a: Route, b: Route): boolean {
  return (Object.keys(a) as (keyof Route)[]).every((key) => a[key] === b[key]);
}
