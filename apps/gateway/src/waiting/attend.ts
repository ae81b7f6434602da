// A visit to a Gitspace that does not run: a page that follows its start for people, a place to wait for programs, and a plain word for
// what asks in the background.
import type { IncomingMessage, ServerResponse } from "node:http";
import { type AccessDocument, FailureError, failure, toFailure, toProblem } from "@gitspaces/contracts";
import type { Session } from "../admission.ts";
import { send, sendJson } from "../answer.ts";
import type { House } from "../house.ts";
import { safeTarget } from "../sign-in.ts";
import type { Situation } from "../verdict.ts";
import { intentOf } from "./intent.ts";
import { renderWaiting, waitingHeaders } from "./page.ts";
import { GaveUpDetails, wordsOf } from "./reasons.ts";
import type { View } from "./view.ts";
import { viewFor } from "./present-view.ts";
import { mayStart } from "./who-may-start.ts";

const RETRY_SECONDS: Record<Situation, number> = { starting: 5, stopping: 5, stopped: 60, error: 60, unreachable: 5 };

export type Waiter = {
  request: IncomingMessage;
  isUpgrade: boolean;
  answer: () => ServerResponse;
  session: Session | undefined;
  document: AccessDocument;
  situation: Situation;
};

/** Answers the visit, or gives `go_on` when the Gitspace runs now. Nothing of the request's body is read meanwhile. */
export async function attendWaiting(house: House, waiter: Waiter): Promise<"go_on" | "answered"> {
  const { request, isUpgrade, document, session, situation, answer } = waiter;
  const intent = intentOf({
    method: request.method ?? "GET",
    url: request.url ?? "/",
    headers: request.headers,
    isUpgrade,
  });
  if (intent === "hold") return await hold(house, waiter);
  if (intent === "background") {
    const message = `${document.name} is ${situation === "error" ? "not started" : situation}.`;
    tellProblem(answer(), message, situation, RETRY_SECONDS[situation]);
    return "answered";
  }
  const isWanted = intent === "page" && situation === "stopped";
  const refusal =
    isWanted && session !== undefined && mayStart(document, session)
      ? await house.waiting.wake(document.gitspaceId, session, "page")
      : undefined;
  // Whoever looks at the page follows the start in a moment.
  if (mayStart(document, session)) house.progress.linger(document.gitspaceId);
  const reason = refusal === undefined || refusal.why === "gone" ? undefined : wordsOf(refusal).message;
  showPage(house, request, answer(), viewFor(house, document.gitspaceId, session, reason));
  return "answered";
}

/** The page of a view. `to`: where it leads once the Gitspace runs; the page's own address unless it is another. */
export function showPage(
  { clock }: House,
  request: IncomingMessage,
  response: ServerResponse,
  view: View | undefined,
  to?: string,
): void {
  if (view === undefined) return sendJson(response, 404, toProblem(failure("not_found", "There is no Gitspace here.")));
  const target = to ?? safeTarget(request.url ?? "/");
  const html = renderWaiting({ view, now: clock.now(), to: target, isBeside: to !== undefined });
  const retryAfter = String(RETRY_SECONDS[view.situation]);
  send(response, 503, { ...waitingHeaders(), "Retry-After": retryAfter }, request.method === "HEAD" ? "" : html);
}

async function hold(house: House, { request, answer, document, session }: Waiter): Promise<"go_on" | "answered"> {
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  request.socket.once("close", leave);
  try {
    await house.waiting.whenRunning(document.gitspaceId, session, gone.signal);
    return "go_on";
  } catch (error) {
    if (request.socket.destroyed) return "answered";
    if (!(error instanceof FailureError)) throw error;
    const { message, details, code } = toFailure(error);
    if (code === "not_found") return "go_on";
    const { situation, retryAfterSeconds } = GaveUpDetails.parse(details ?? {});
    tellProblem(answer(), message, situation, retryAfterSeconds);
    return "answered";
  } finally {
    request.socket.off("close", leave);
  }
}

/** 503 with when it is worth asking again (RFC 9110, section 10.2.3), and the state by name. */
function tellProblem(response: ServerResponse, message: string, situation: string, retryAfterSeconds: number): void {
  const problem = toProblem(failure("vm_unreachable", message, { details: { situation, retryAfterSeconds } }));
  response.setHeader("Retry-After", String(retryAfterSeconds));
  sendJson(response, 503, { ...problem, status: 503 }, "application/problem+json");
}
