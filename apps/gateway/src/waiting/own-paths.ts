// The paths under `/.gitspaces` of those who wait: the live progress, the same page at an address that starts nothing, and the button.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Target } from "@gitspaces/contracts";
import { admit, type Session } from "../admission.ts";
import { redirect, tell } from "../answer.ts";
import type { House } from "../house.ts";
import { isForeign } from "../origin.ts";
import { tellRefusal, unknownPlace } from "../pages.ts";
import { safeTarget } from "../sign-in.ts";
import { pathOf, type Site } from "../site.ts";
import { whereabouts } from "../verdict.ts";
import { showPage } from "./attend.ts";
import { renderView } from "./page.ts";
import { viewFor } from "./present-view.ts";
import { wordsOf } from "./reasons.ts";
import { keyOf } from "./view.ts";

/** A stream that says nothing for longer is cut by some proxies. */
const HEARTBEAT_MS = 15_000;
/** Then the browser opens it anew, with whatever session it has by then. */
const LONGEST_MS = 10 * 60_000;

type Asked = { site: Site; target: Target; session: Session | undefined };
type Visit = { house: House; request: IncomingMessage; response: ServerResponse; asked: Asked; query: URLSearchParams };

/** Answers a path of those who wait; gives false for any other. */
export async function waitingPath(
  house: House,
  request: IncomingMessage,
  response: ServerResponse,
  asked: Asked,
): Promise<boolean> {
  const url = request.url ?? "/";
  const path = pathOf(url);
  const visit = { house, request, response, asked, query: new URLSearchParams(url.slice(path.length)) };
  switch (`${request.method ?? "GET"} ${path}`) {
    case "GET /.gitspaces/progress":
      await streamProgress(visit);
      return true;
    case "GET /.gitspaces/waiting":
      showBeside(visit);
      return true;
    case "POST /.gitspaces/start":
      await start(visit);
      return true;
    default:
      return false;
  }
}

type Standing = "unknown" | "ready" | "waiting";

/** Where the Gitspace is for this visitor, whose session may have ended meanwhile. */
function standing({ access, routes, clock }: House, { target, session }: Asked): Standing {
  const document = access.find(target.gitspaceId);
  const isOver = session !== undefined && (session.expiresAt <= clock.now() || access.isRevoked(session));
  if (document === undefined || isOver || admit(document, target.port, session) !== "admitted") return "unknown";
  return whereabouts(document, routes.find(target.gitspaceId)).verdict === "forward" ? "ready" : "waiting";
}

/** Server-sent events: `view` with what to show whenever that changes, `ready` when it runs, `over` when there is nothing to wait for. */
async function streamProgress({ house, request, response, asked, query }: Visit): Promise<void> {
  const { gitspaceId } = asked.target;
  if (standing(house, asked) === "unknown") return tell(request, response, unknownPlace);
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  response.on("error", () => gone.abort());
  const until = AbortSignal.any([gone.signal, AbortSignal.timeout(LONGEST_MS)]);
  response.writeHead(200, {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
  });
  const say = (event: string, data: unknown): void =>
    void response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  response.write("retry: 1000\n\n");
  const beat = setInterval(() => response.write(": \n\n"), HEARTBEAT_MS);
  const watched = house.progress.watch(gitspaceId);
  try {
    let key = query.get("key");
    while (!until.aborted) {
      const now = standing(house, asked);
      if (now !== "waiting") {
        say(now === "ready" ? "ready" : "over", {});
        break;
      }
      const view = viewFor(house, gitspaceId, asked.session);
      if (view !== undefined && keyOf(view) !== key) {
        key = keyOf(view);
        const to = safeTarget(backTo(request));
        say("view", { title: view.heading, html: renderView({ view, now: house.clock.now(), to }) });
      }
      await house.changes.next(gitspaceId, until);
    }
  } finally {
    clearInterval(beat);
    watched[Symbol.dispose]();
    response.end();
  }
}

/** The page that follows the stream, as its browser names it. */
function backTo({ headers }: IncomingMessage): string {
  const { referer = "" } = headers;
  if (!URL.canParse(referer)) return "/";
  const { pathname, search, searchParams } = new URL(referer);
  return pathname.startsWith("/.gitspaces/") ? (searchParams.get("to") ?? "/") : pathname + search;
}

function showBeside({ house, request, response, asked, query }: Visit): void {
  const to = safeTarget(query.get("to"));
  const now = standing(house, asked);
  if (now !== "waiting") return redirect(response, to, []);
  // It stays followed for a moment, so that the same page without a script finds what is new when it comes again.
  house.progress.linger(asked.target.gitspaceId);
  showPage(house, request, response, viewFor(house, asked.target.gitspaceId, asked.session), to);
}

/** The button: as explicit as a start on the control plane's page. */
async function start({ house, request, response, asked, query }: Visit): Promise<void> {
  const { site, session, target } = asked;
  const ownOrigin = `${house.scheme}://${site.host}`;
  const asking = { method: "POST", headers: request.headers, isUpgrade: false, ownOrigin, hasSession: true };
  if (request.headers.origin === undefined || isForeign({ ...asking, sibling: undefined })) {
    const failure = { code: "denied", message: "Start it from this address itself.", retry: "never" } as const;
    return tell(request, response, tellRefusal(failure, 403));
  }
  if (session === undefined || standing(house, asked) === "unknown") return tell(request, response, unknownPlace);
  const to = safeTarget(query.get("to"));
  const refusal = await house.waiting.wake(target.gitspaceId, session, "page");
  if (refusal === undefined) return redirect(response, to, []);
  const reason = refusal.why === "gone" ? "Only its owner can start it." : wordsOf(refusal).message;
  showPage(house, request, response, viewFor(house, target.gitspaceId, session, reason), to);
}
