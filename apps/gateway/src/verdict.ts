// What happens to a request, decided purely from all that is known about it.
import type { IncomingHttpHeaders } from "node:http";
import type { AccessDocument, Scope } from "@gitspaces/contracts";
import { admit } from "./admission.ts";
import { isForeign } from "./origin.ts";
import type { Visitor } from "./passes/visitor.ts";
import type { Routed } from "./routes.ts";
import { isPreflight } from "./siblings.ts";
import type { Site } from "./site.ts";

/** Why a Gitspace that the person may reach is not there now. */
export type Situation = "starting" | "stopping" | "stopped" | "error" | "unreachable";

export type Verdict =
  | { verdict: "forward"; document: AccessDocument; routed: Routed }
  | { verdict: "wait"; document: AccessDocument; situation: Situation }
  | { verdict: "sign_in" }
  | { verdict: "unauthorised" }
  | { verdict: "foreign" }
  /** A browser asks for a page of a sibling whether it may. */
  | { verdict: "preflight" }
  /** What was brought to prove something proves nothing, or no longer. */
  | { verdict: "bad_pass" }
  | { verdict: "beyond"; scope: Pick<Scope, "path" | "methods"> }
  | { verdict: "unknown" };

export type Known = Visitor & {
  site: Site;
  method: string;
  headers: IncomingHttpHeaders;
  isUpgrade: boolean;
  /** `http` or `https`, as browsers see it. */
  scheme: string;
  /** The origin of a page of one's other ports that may talk to this one. */
  sibling: string | undefined;
  document: AccessDocument | undefined;
  routed: Routed | undefined;
};

export function judge(known: Known): Verdict {
  const { site, method, headers, isUpgrade, session, document, sibling } = known;
  if (site.target === undefined) return { verdict: "unknown" };
  const ownOrigin = `${known.scheme}://${site.host}`;
  const hasSession = session !== undefined;
  if (!known.isByHeader && isForeign({ method, headers, isUpgrade, ownOrigin, hasSession, sibling }))
    return { verdict: "foreign" };
  if (known.refused === "pass") return { verdict: "bad_pass" };
  const admission = admit(document, site.target.port, session);
  // No browser sends a cookie with it, so what is open to nobody in particular is asked here or nowhere.
  if (sibling !== undefined && isPreflight(method, headers) && admission !== "admitted")
    return { verdict: "preflight" };
  if (admission === "sign_in")
    return { verdict: !isUpgrade && isNavigation(method, headers) ? "sign_in" : "unauthorised" };
  if (admission === "unknown" || document === undefined) return { verdict: "unknown" };
  if (known.refused === "scope" && session?.pass !== undefined) return { verdict: "beyond", scope: session.pass };
  return whereabouts(document, known.routed);
}

/** Whether a navigation meets a start that may be over any moment: its VM has a route already. */
export function isAboutToRun({ method, headers, isUpgrade, routed }: Known, verdict: Verdict): boolean {
  if (verdict.verdict !== "wait" || verdict.situation !== "starting") return false;
  if (isUpgrade || !isNavigation(method, headers)) return false;
  return routed !== undefined && routed.route.generation >= verdict.document.generation;
}

/** A person's navigation can be led through sign-in; what a page fetches by itself can not. */
function isNavigation(method: string, headers: IncomingHttpHeaders): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  const mode = headers["sec-fetch-mode"];
  return mode === undefined || mode === "navigate";
}

const situations = {
  uninitialized: "stopped",
  starting: "starting",
  running: "running",
  stopping: "stopping",
  stopped: "stopped",
  cleaning: "stopping",
  error: "error",
  deleted: "stopped",
} as const satisfies Record<AccessDocument["state"], Situation | "running">;

/** A route of an earlier generation leads to a VM that is on its way out: not one byte goes there. */
export function whereabouts(document: AccessDocument, routed: Routed | undefined): Verdict {
  const situation = situations[document.state];
  if (situation !== "running") return { verdict: "wait", document, situation };
  if (routed === undefined || routed.route.generation < document.generation)
    return { verdict: "wait", document, situation: "unreachable" };
  return { verdict: "forward", document, routed };
}
