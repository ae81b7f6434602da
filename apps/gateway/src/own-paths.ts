// The gateway's own paths on every Gitspace's host: sign-in, sign-out, and how the Gitspace is.
import type { IncomingMessage, ServerResponse } from "node:http";
import { FailureError, httpStatus, SSH_HOST_KEYS_PATH, type Target, toFailure } from "@gitspaces/contracts";
import { admit, type Session } from "./admission.ts";
import { redirect, sendJson, sendPage, tell } from "./answer.ts";
import { setCookie } from "./cookies.ts";
import type { House } from "./house.ts";
import { isForeign } from "./origin.ts";
import { signOutPage, tellRefusal, unknownPlace } from "./pages.ts";
import { openLink, SHARE_PATH } from "./passes/open-link.ts";
import { sendSharePage } from "./passes/share-page.ts";
import { SESSION_SECONDS } from "./sessions.ts";
import { forgetNonce, redeem, safeTarget } from "./sign-in.ts";
import { pathOf, type Site } from "./site.ts";
import { whereabouts } from "./verdict.ts";
import { waitingPath } from "./waiting/own-paths.ts";

/** How long a question about the state is held while nothing changes. */
const WAIT_MS = 20_000;

type Asked = { site: Site; target: Target; session: Session | undefined };

/** Answers a request under `/.gitspaces`. */
export async function ownPath(
  house: House,
  request: IncomingMessage,
  response: ServerResponse,
  asked: Asked,
): Promise<void> {
  const url = request.url ?? "/";
  const query = new URLSearchParams(url.slice(pathOf(url).length));
  const known = `${request.method ?? "GET"} ${pathOf(url)}`;
  if (known === "GET /.gitspaces/sign-in") return signIn(house, request, response, asked, query);
  if (known === "GET /.gitspaces/sign-out") return sendPage(response, 200, signOutPage(house.controlPlanePublicUrl));
  if (known === "POST /.gitspaces/sign-out") return signOut(house, request, response, asked);
  if (known === `GET ${SHARE_PATH}`) return sendSharePage(response);
  if (known === `POST ${SHARE_PATH}`) return openLink(house, request, response, asked);
  if (await waitingPath(house, request, response, asked)) return;
  if (known === "GET /.gitspaces/state") return tellState(house, request, response, asked, query);
  if (known === `GET ${SSH_HOST_KEYS_PATH}` && house.sshHostKeys !== undefined)
    return tellHostKeys(response, house.sshHostKeys);
  return tell(request, response, unknownPlace);
}

function tellHostKeys(response: ServerResponse, keys: readonly string[]): void {
  const text = keys.map((line) => `${line}\n`).join("");
  const headers = {
    "content-type": "text/plain",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  };
  response.writeHead(200, headers).end(text);
}

async function signIn(
  house: House,
  request: IncomingMessage,
  response: ServerResponse,
  { site, target }: Asked,
  query: URLSearchParams,
): Promise<void> {
  const { names, access, spend, clock, log } = house;
  const to = safeTarget(query.get("to"));
  try {
    const issuer = { issuer: house.controlPlanePublicUrl, keys: access.keys, spend, now: clock.now() };
    const code = await redeem(
      { code: query.get("code") ?? "", target, cookieHeader: request.headers.cookie, names },
      issuer,
    );
    const person = { user: code.sub, organisation: code.organisation, sessionId: code.jti };
    const cookie = setCookie(names.session, await house.sessions.begin(person, site.hostname), {
      path: "/",
      maxAgeSeconds: SESSION_SECONDS,
      secure: names.secure,
    });
    log.info({ gitspaceId: target.gitspaceId, user: code.sub, session: code.jti }, "signed in");
    redirect(response, to, [cookie, forgetNonce(names)]);
  } catch (error) {
    const reason = toFailure(error);
    if (error instanceof FailureError)
      log.info({ gitspaceId: target.gitspaceId, reason: reason.message }, "sign-in refused");
    else log.error({ err: error }, "sign-in failed");
    const status = reason.code === "denied" ? 401 : reason.retry === "later" ? 503 : httpStatus(reason.code);
    tell(request, response, tellRefusal(reason, status, { href: to, label: "Sign in again" }));
  }
}

function signOut(house: House, request: IncomingMessage, response: ServerResponse, { site, session }: Asked): void {
  const ownOrigin = `${house.scheme}://${site.host}`;
  if (
    request.headers.origin === undefined ||
    isForeign({ method: "POST", headers: request.headers, isUpgrade: false, ownOrigin, hasSession: true })
  ) {
    return tell(
      request,
      response,
      tellRefusal({ code: "denied", message: "Sign out from this address itself.", retry: "never" }, 403),
    );
  }
  if (session !== undefined) house.live.recheck((connection) => connection.session?.sessionId !== session.sessionId);
  const gone = setCookie(house.names.session, "", { path: "/", maxAgeSeconds: 0, secure: house.names.secure });
  redirect(response, house.controlPlanePublicUrl, [gone]);
}

/** `{ gitspaceId, name, situation }`; with `?wait=1` the answer comes when it is another one. */
async function tellState(
  house: House,
  request: IncomingMessage,
  response: ServerResponse,
  { target, session }: Asked,
  query: URLSearchParams,
): Promise<void> {
  const first = stateOf(house, target, session);
  if (first === undefined) return tell(request, response, unknownPlace);
  let now: object | undefined = first;
  if (query.has("wait")) {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const until = AbortSignal.any([gone.signal, AbortSignal.timeout(WAIT_MS)]);
    while (!until.aborted && JSON.stringify(now) === JSON.stringify(first)) {
      await house.changes.next(target.gitspaceId, until);
      now = stateOf(house, target, session);
    }
  }
  if (now === undefined) return tell(request, response, unknownPlace);
  sendJson(response, 200, now);
}

function stateOf({ access, routes }: House, target: Target, session: Session | undefined): object | undefined {
  const document = access.find(target.gitspaceId);
  if (document === undefined || admit(document, target.port, session) !== "admitted") return undefined;
  const verdict = whereabouts(document, routes.find(target.gitspaceId));
  const situation = verdict.verdict === "wait" ? verdict.situation : "ready";
  return { gitspaceId: target.gitspaceId, name: document.name, situation };
}
