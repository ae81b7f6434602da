// Sharing as owners do it: each change is in the access documents of what it concerns, in the same step.
import type { Visibility } from "@gitspaces/contracts";
import { writeAccessDocument } from "./gateways/access-document.ts";
import type { PassRow } from "./store/sharing.ts";
import type { Store } from "./store/store.ts";

/** Writes the documents of what a pass opens; inside the caller's step. */
export function tellOfPass(store: Store, { owner, gitspaces }: Pick<PassRow, "owner" | "gitspaces">): void {
  const own = store.passes.gitspacesOf({ owner }).map(({ id }) => id);
  const named = gitspaces === null ? own : (JSON.parse(gitspaces) as string[]).filter((id) => own.includes(id));
  for (const id of named) writeAccessDocument(store, id);
}

/** Ends a pass at once; inside the caller's step. */
export function endPass(store: Store, pass: PassRow, at: number): void {
  if (store.passes.end({ id: pass.id, at }) > 0) tellOfPass(store, pass);
}

/** Brings every document under the most that is allowed from now on. */
export function applyMostVisible(store: Store, most: Visibility): void {
  if (store.visibility.most()?.most_visible === most) return;
  store.step("MostVisibleSet", () => {
    store.visibility.setMost({ most });
    for (const { id } of store.visibility.sharedGitspaces()) writeAccessDocument(store, id);
  });
}
