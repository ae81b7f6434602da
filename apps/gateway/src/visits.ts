// A visit to a Gitspace's host: find out who and where, judge, and act on the verdict.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type AccessDocument, FailureError, fail, failure, httpStatus, toFailure } from "@gitspaces/contracts";
import { redirect, tell } from "./answer.ts";
import { strictTransport } from "./edge/transport.ts";
import type { Upstream } from "./forwarder.ts";
import { type HeaderPolicy, headerPolicy } from "./header-policy.ts";
import type { House } from "./house.ts";
import { ownPath } from "./own-paths.ts";
import { sayScope } from "./passes/scope.ts";
import { visitorOf } from "./passes/visitor.ts";
import { type Told, tellBrokeOff, tellNotListening, tellRefusal, tellSituation, unknownPlace } from "./pages.ts";
import type { Routed } from "./routes.ts";
import { answerPreflight, letRead, siblingOrigin } from "./siblings.ts";
import { departure } from "./sign-in.ts";
import { pathOf, readSite, type Site } from "./site.ts";
import { isSshUpgrade, sshOverWebsocket } from "./ssh-over-websocket.ts";
import { NOT_LISTENING } from "./tunnel.ts";
import { answerOn } from "./upgrade.ts";
import { BROKE_OFF } from "./upstream-answer.ts";
import { attendWaiting } from "./waiting/attend.ts";
import { isAboutToRun, judge, type Known, type Verdict } from "./verdict.ts";

const MOMENT_MS = 1_500;

/** Answers one request. Never throws: what fails is told. */
export async function visit(house: House, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const forward: Door["forward"] = (...way) => house.forwarder.forward(request, response, ...way);
  await attend(house, { request, isUpgrade: false, answer: () => own(house, response), forward });
}

/** Answers one upgrade. A refusal is a plain answer on the same socket. */
export async function visitUpgrade(
  house: House,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on("error", () => socket.destroy());
  if (isSshUpgrade(request)) {
    const { clientAddress } = house.edge.arrivals.of(request);
    return sshOverWebsocket(request, socket, head, house.takeSsh, clientAddress);
  }
  const forward: Door["forward"] = (...way) => house.forwarder.upgrade(request, socket, head, ...way);
  await attend(house, { request, isUpgrade: true, answer: () => own(house, answerOn(request, socket)), forward });
}

/** An answer of the gateway itself, with what the edge says on all of them. */
function own({ edge }: House, response: ServerResponse): ServerResponse {
  const [name, value] = strictTransport(edge.hstsSeconds);
  if (name !== undefined && value !== undefined && !response.headersSent) response.setHeader(name, value);
  return response;
}

/** A request or an upgrade, seen alike. */
type Door = {
  request: IncomingMessage;
  isUpgrade: boolean;
  /** Asked for once, when the gateway answers for itself. */
  answer: () => ServerResponse;
  forward: (upstream: Upstream, policy: HeaderPolicy, signal: AbortSignal) => Promise<void>;
};

async function attend(house: House, atDoor: Door): Promise<void> {
  const { request } = atDoor;
  let sibling: string | undefined;
  const answer = (): ServerResponse => (sibling === undefined ? atDoor.answer() : letRead(atDoor.answer(), sibling));
  const door = { ...atDoor, answer };
  let asked: AccessDocument | undefined;
  let port = 0;
  try {
    let known = await find(house, door);
    ({ sibling } = known);
    using stay = new DisposableStack();
    stay.use(await enter(house, door, known));
    const { target } = known.site;
    if (target !== undefined && !door.isUpgrade && isOwnPath(request.url ?? "/")) {
      return await ownPath(house, request, answer(), { site: known.site, target, session: known.session });
    }
    let verdict = judge(known);
    if (isAboutToRun(known, verdict)) {
      known = await aMomentLater(house, door, known);
      verdict = judge(known);
    }
    if (verdict.verdict === "wait" && verdict.situation !== "unreachable") {
      const { document, situation } = verdict;
      const { session } = known;
      const waiter = { request, isUpgrade: door.isUpgrade, answer, session, document, situation };
      if ((await attendWaiting(house, waiter)) === "answered") return;
      // Whoever was held is looked at anew: they may have signed out meanwhile.
      known = await find(house, door);
      verdict = judge(known);
    }
    const path = pathOf(request.url ?? "/");
    house.log.debug({ host: known.site.host, method: known.method, path, verdict: verdict.verdict }, "visit");
    if (verdict.verdict !== "forward" || target === undefined) return act(house, door, known.site, verdict);
    asked = verdict.document;
    ({ port } = target);
    await through(house, door, known, verdict.routed, port);
  } catch (error) {
    if (request.socket.destroyed) return;
    if (error instanceof FailureError) house.log.debug({ err: error }, "a visit was not answered by its Gitspace");
    else house.log.error({ err: error }, "a visit failed");
    const response = answer();
    if (toFailure(error).code === "quota_exceeded") response.setHeader("Retry-After", "1");
    tell(request, response, explain(house, error, asked, port));
  }
}

/** Takes a place within the limits of the edge. */
function enter({ edge }: House, { request, isUpgrade }: Door, { site, session }: Known): Promise<Disposable> {
  const { clientAddress } = edge.arrivals.of(request);
  const gitspaceId = site.target?.gitspaceId;
  return edge.visitors.enter({ request, isUpgrade, clientAddress, user: session?.user, gitspaceId });
}

/** All that is known about a visit. @throws {FailureError} `bad_request` when it is not one. */
async function find(house: House, { request, isUpgrade }: Door): Promise<Known> {
  const site = readSite(request, house.domain);
  if (isUpgrade && hasBody(request)) throw fail("bad_request", "An upgrade should have no body.");
  const id = site.target?.gitspaceId;
  const document = id === undefined ? undefined : house.access.find(id);
  const { scheme, domain } = house;
  const find = (gitspaceId: string) => house.access.find(gitspaceId);
  return {
    site,
    method: request.method ?? "GET",
    headers: request.headers,
    isUpgrade,
    scheme,
    ...(await visitorOf(house, { request, site, document, isUpgrade })),
    sibling: siblingOrigin(request.headers, { site, scheme, domain, find }),
    document,
    routed: id === undefined ? undefined : house.routes.find(id),
  };
}

/** The news that a start is over reaches us a moment after it reached the person: it is waited for, once and briefly. */
async function aMomentLater(house: House, door: Door, known: Known): Promise<Known> {
  const id = known.site.target?.gitspaceId ?? "";
  const { socket } = door.request;
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  socket.once("close", leave);
  const until = AbortSignal.any([gone.signal, AbortSignal.timeout(MOMENT_MS)]);
  const present = (): Known => ({ ...known, document: house.access.find(id), routed: house.routes.find(id) });
  for (let now = present(); !until.aborted && isAboutToRun(now, judge(now)); now = present())
    await house.changes.next(id, until);
  socket.off("close", leave);
  return await find(house, door);
}

async function through(
  house: House,
  door: Door,
  { site, session, sibling }: Known,
  routed: Routed,
  port: number,
): Promise<void> {
  const { gitspaceId, generation } = routed.route;
  const { socket } = door.request;
  const source = door.isUpgrade ? "websocket" : "http";
  using connection = house.live.open({ gitspaceId, generation, port, session, source, socket });
  const { installation, edge } = house;
  const { clientAddress, scheme } = edge.arrivals.of(door.request);
  const { hstsSeconds } = edge;
  const policy = headerPolicy({ host: site.host, scheme, clientAddress, installation, sibling, hstsSeconds });
  if (session?.pass !== undefined) {
    const { method = "GET", url = "/" } = door.request;
    const use = { gitspaceId, pass: session.pass.id, port, address: clientAddress };
    house.uses.requested(use, { method, path: pathOf(url) });
  }
  try {
    await door.forward(house.upstreams.at(routed, port), policy, connection.ended);
  } catch (error) {
    connection.failed();
    throw error;
  }
}

function act(house: House, { request, answer }: Door, site: Site, verdict: Verdict): void {
  switch (verdict.verdict) {
    case "sign_in": {
      const to = departure(house.controlPlanePublicUrl, site.hostname, request.url ?? "/", house.names);
      return redirect(answer(), to.location, [to.cookie]);
    }
    case "unauthorised":
      return tell(request, answer(), refused("Sign in first: open this address in a browser.", 401));
    case "preflight":
      return answerPreflight(request.headers, answer());
    case "bad_pass": {
      const response = answer();
      response.setHeader("WWW-Authenticate", 'Bearer error="invalid_token"');
      return tell(
        request,
        response,
        refused("This token opens nothing here: it is wrong, ended, or for something else.", 401),
      );
    }
    case "beyond":
      return tell(request, answer(), refused(sayScope(verdict.scope), 403));
    case "foreign":
      return tell(request, answer(), refused("This came from a page of another origin.", 403));
    case "wait":
      return tell(request, answer(), tellSituation(verdict.situation, about(house, verdict.document)));
    default:
      return tell(request, answer(), unknownPlace);
  }
}

/** How pages speak of a Gitspace: its name, and where the control plane shows it. */
function about(house: House, { name, gitspaceId }: AccessDocument): { name: string; manageUrl: string } {
  return { name, manageUrl: `${house.controlPlanePublicUrl}/gitspaces/${gitspaceId}` };
}

function explain(house: House, error: unknown, asked: AccessDocument | undefined, port: number): Told {
  const reason = toFailure(error);
  if (asked !== undefined) {
    if (reason.details?.["reason"] === NOT_LISTENING) return tellNotListening(asked.name, port);
    if (reason.details?.["reason"] === BROKE_OFF) return tellBrokeOff(asked.name, port);
    if (reason.code === "vm_unreachable" || reason.code === "timeout")
      return tellSituation("unreachable", about(house, asked));
  }
  return tellRefusal(reason, httpStatus(reason.code));
}

function refused(message: string, status: number): Told {
  return tellRefusal(failure("denied", message), status);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function isOwnPath(url: string): boolean {
  const path = pathOf(url);
  return path === "/.gitspaces" || path.startsWith("/.gitspaces/");
}
