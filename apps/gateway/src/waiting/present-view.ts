// What one visitor of a Gitspace is shown at this moment, from all that this gateway knows.
import type { Session } from "../admission.ts";
import type { House } from "../house.ts";
import { whereabouts } from "../verdict.ts";
import { type View, viewOf } from "./view.ts";
import { mayStart } from "./who-may-start.ts";

/** Nothing when there is no such Gitspace. One that runs is shown as if it were about to. `refusal`: why a start was refused. */
export function viewFor(
  house: Pick<House, "access" | "routes" | "progress" | "controlPlanePublicUrl">,
  gitspaceId: string,
  session: Session | undefined,
  refusal?: string,
): View | undefined {
  const document = house.access.find(gitspaceId);
  if (document === undefined) return undefined;
  const verdict = whereabouts(document, house.routes.find(gitspaceId));
  return viewOf({
    document,
    situation: verdict.verdict === "wait" ? verdict.situation : "unreachable",
    seen: house.progress.present(gitspaceId),
    mayStart: mayStart(document, session),
    manageUrl: `${house.controlPlanePublicUrl}/gitspaces/${gitspaceId}`,
    refusal,
  });
}
