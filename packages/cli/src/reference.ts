// People call a Gitspace by its id, its name, or the beginning of either, as long as it means one only.
import { fail, FailureError, type Gitspace, GitspaceId } from "@gitspaces/contracts";
import type { Api } from "./api.ts";

/** The Gitspace that is meant. @throws {FailureError} `not_found`, or `bad_request` naming them when several could be meant. */
export async function findGitspace(api: Api, reference: string, { deleted = false } = {}): Promise<Gitspace> {
  if (GitspaceId.safeParse(reference).success) {
    const exact = await api.gitspace(reference).catch((error: unknown) => {
      // A name may look like an id.
      if (error instanceof FailureError && error.failure.code === "not_found") return undefined;
      throw error;
    });
    if (exact !== undefined) return exact;
  }
  const meant = match(await api.gitspaces({ deleted }), reference);
  if (meant.length === 1 && meant[0] !== undefined) return meant[0];
  if (meant.length === 0)
    throw fail(
      "not_found",
      `There is no ${deleted ? "deleted " : ""}Gitspace ${reference}. See them all with: gitspaces list${deleted ? " --deleted" : ""}`,
    );
  const names = meant.map(({ identifier }) => identifier).join(", ");
  throw fail("bad_request", `${reference} could be any of ${names}. Say more of the id.`);
}

/** The best matches: the id itself, else the same name, else what begins so. */
export function match<G extends { identifier: string; name: string }>(gitspaces: readonly G[], reference: string): G[] {
  const wanted = reference.toLowerCase();
  const by = [
    (each: G) => each.identifier === wanted,
    (each: G) => each.name.toLowerCase() === wanted,
    (each: G) => each.identifier.startsWith(wanted) || each.name.toLowerCase().startsWith(wanted),
  ];
  for (const means of by) {
    const meant = gitspaces.filter(means);
    if (meant.length > 0) return meant;
  }
  return [];
}
