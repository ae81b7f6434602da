// A visit to a Gitspace's host: find out who and where, judge, and act on the verdict.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type AccessDocument, FailureError, fail, toFailure } from "@gitspaces/contracts";
import { tell } from "./answer.ts";
import type { Door } from "./door.ts";
import { strictTransport } from "./edge/transport.ts";
import type { House } from "./house.ts";
import { ownPath } from "./own-paths.ts";
import { Held, through } from "./passage.ts";
import { visitorOf } from "./passes/visitor.ts";
import { letRead, siblingOrigin } from "./siblings.ts";
import { pathOf, readSite } from "./site.ts";
import { isSshUpgrade, sshOverWebsocket } from "./ssh-over-websocket.ts";
import { answerOn } from "./upgrade.ts";
import { isAboutToRun, judge, type Known } from "./verdict.ts";
import { act, explain } from "./verdict-answers.ts";
import { attendWaiting } from "./waiting/attend.ts";

const MOMENT_MS = 1_500;

/** Answers one request. Never throws: what fails is told. */
export async function visit(house: House, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const forward: Door["forward"] = (...way) => house.forwarder.forward(request, response, ...way);
  await attend(house, { request, isUpgrade: false, answer: () => own(house, response), forward });
}

/** Answers one upgrade, on a socket whose errors are listened to. A refusal is a plain answer on the same socket. */
export async function visitUpgrade(
  house: House,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
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
    using held = new Held();
    const entered = enter(house, door, known);
    if (entered instanceof Promise) {
      held.stay = await entered;
      // Meanwhile they may have signed out, and the Gitspace may have moved.
      known = await find(house, door);
    } else held.stay = entered;
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
    await through(house, door, known, verdict.routed, port, held);
  } catch (error) {
    if (request.socket.destroyed) return;
    if (error instanceof FailureError) house.log.debug({ err: error }, "a visit was not answered by its Gitspace");
    else house.log.error({ err: error }, "a visit failed");
    const response = answer();
    if (response.headersSent) return void response.destroy();
    if (toFailure(error).code === "quota_exceeded") response.setHeader("Retry-After", "1");
    tell(request, response, explain(house, error, asked, port));
  }
}

/** Takes a place within the limits of the edge. */
function enter({ edge }: House, { request, isUpgrade }: Door, known: Known): Disposable | Promise<Disposable> {
  const { site, session } = known;
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
  const visitor = await visitorOf(house, { request, site, document, isUpgrade });
  return {
    ...visitor,
    site,
    method: request.method ?? "GET",
    headers: request.headers,
    isUpgrade,
    scheme,
    sibling: siblingOrigin(request.headers, { site, scheme, domain, find }),
    // As it is now: what is live later hears of each change, and until then nobody tells.
    document: id === undefined ? undefined : house.access.find(id),
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

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function isOwnPath(url: string): boolean {
  const path = pathOf(url);
  return path === "/.gitspaces" || path.startsWith("/.gitspaces/");
}
