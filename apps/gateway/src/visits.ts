// A visit to a Gitspace's host: find out who and where, judge, and act on the verdict.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { FailureError, failure, httpStatus, type Target, toFailure } from "@gitspaces/contracts";
import { redirect, tell } from "./answer.ts";
import { headerPolicy } from "./header-policy.ts";
import { type House, sessionOf } from "./house.ts";
import { ownPath } from "./own-paths.ts";
import { type Told, tellNotListening, tellRefusal, tellSituation, unknownPlace } from "./pages.ts";
import { departure } from "./sign-in.ts";
import { pathOf, readSite, type Site } from "./site.ts";
import { NOT_LISTENING } from "./tunnel.ts";
import { answerOn } from "./upgrade.ts";
import { judge, type Verdict } from "./verdict.ts";
import type { Session } from "./admission.ts";

/** Answers one request. Never throws: what fails is told. */
export async function visit(house: House, request: IncomingMessage, response: ServerResponse): Promise<void> {
  await attend(house, request, response, async (site, session, verdict, policy, signal) => {
    const upstream = house.upstreams.at(verdict.routed, site.port);
    await house.forwarder.forward(request, response, upstream, policy, signal);
  });
}

/** Answers one upgrade. A refusal is a plain answer on the same socket. */
export async function visitUpgrade(
  house: House,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on("error", () => socket.destroy());
  let isTaken = false;
  const refusal = (): ServerResponse => answerOn(request, socket);
  await attend(house, request, refusal, async (site, session, verdict, policy, signal) => {
    const upstream = house.upstreams.at(verdict.routed, site.port);
    isTaken = true;
    await house.forwarder.upgrade(request, socket, head, upstream, policy, signal);
  });
  if (!isTaken) socket.resume();
}

type Forwarding = Extract<Verdict, { verdict: "forward" }>;
type Forward = (
  target: Target,
  session: Session | undefined,
  verdict: Forwarding,
  policy: ReturnType<typeof headerPolicy>,
  signal: AbortSignal,
) => Promise<void>;

async function attend(
  house: House,
  request: IncomingMessage,
  answer: ServerResponse | (() => ServerResponse),
  forward: Forward,
): Promise<void> {
  const isUpgrade = typeof answer === "function";
  const response = (): ServerResponse => (typeof answer === "function" ? answer() : answer);
  let name = "Gitspace";
  let port = 0;
  try {
    const site = readSite(request, house.domain);
    if (isUpgrade && hasBody(request))
      return tell(request, response(), refused("bad_request", "An upgrade should have no body.", 400));
    const session = await sessionOf(house, request.headers.cookie, site.hostname);
    const { target } = site;
    if (target !== undefined && !isUpgrade && isOwnPath(request.url ?? "/"))
      return await ownPath(house, request, response(), { site, target, session });
    const verdict = judge({
      site,
      method: request.method ?? "GET",
      headers: request.headers,
      isUpgrade,
      scheme: house.scheme,
      session,
      document: target === undefined ? undefined : house.access.find(target.gitspaceId),
      routed: target === undefined ? undefined : house.routes.find(target.gitspaceId),
    });
    house.log.debug(
      { host: site.host, method: request.method, path: pathOf(request.url ?? "/"), verdict: verdict.verdict },
      "visit",
    );
    if (verdict.verdict !== "forward" || target === undefined) return act(house, request, response(), site, verdict);
    ({ name } = verdict.document);
    ({ port } = target);
    await through(house, request, site, target, session, verdict, forward);
  } catch (error) {
    if (request.socket.destroyed) return;
    if (!(error instanceof FailureError)) house.log.error({ err: error }, "a visit failed");
    else house.log.debug({ err: error, failure: error.failure }, "a visit was not answered by its Gitspace");
    tell(request, response(), explain(error, name, port));
  }
}

async function through(
  house: House,
  request: IncomingMessage,
  site: Site,
  target: Target,
  session: Session | undefined,
  verdict: Forwarding,
  forward: Forward,
): Promise<void> {
  const { gitspaceId, generation } = verdict.routed.route;
  const socket = request.socket as Socket;
  using connection = house.live.open({ gitspaceId, generation, port: target.port, session, socket });
  const clientAddress = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  const policy = headerPolicy({
    host: site.host,
    scheme: house.scheme,
    clientAddress,
    installation: house.installation,
  });
  await forward(target, session, verdict, policy, connection.ended);
}

function act(
  house: House,
  request: IncomingMessage,
  response: ServerResponse,
  site: Site,
  verdict: Exclude<Verdict, { verdict: "forward" }> | Verdict,
): void {
  switch (verdict.verdict) {
    case "sign_in": {
      const { location, cookie } = departure(
        house.controlPlanePublicUrl,
        site.hostname,
        request.url ?? "/",
        house.names,
      );
      return redirect(response, location, [cookie]);
    }
    case "unauthorised":
      return tell(request, response, refused("denied", "Sign in first: open this address in a browser.", 401));
    case "foreign":
      return tell(request, response, refused("denied", "This came from a page of another origin.", 403));
    case "wait":
      return tell(
        request,
        response,
        tellSituation(verdict.situation, {
          name: verdict.document.name,
          manageUrl: manageUrl(house, verdict.document.gitspaceId),
        }),
      );
    default:
      return tell(request, response, unknownPlace);
  }
}

/** Where the control plane shows a Gitspace. */
export function manageUrl({ controlPlanePublicUrl }: Pick<House, "controlPlanePublicUrl">, gitspaceId: string): string {
  return `${controlPlanePublicUrl}/gitspaces/${gitspaceId}`;
}

function explain(error: unknown, name: string, port: number): Told {
  const reason = toFailure(error);
  if (reason.details?.["reason"] === NOT_LISTENING) return tellNotListening(name, port);
  if (reason.code === "vm_unreachable" || reason.code === "timeout")
    return tellSituation("unreachable", { name, manageUrl: "/" });
  return tellRefusal(reason, httpStatus(reason.code));
}

function refused(code: "bad_request" | "denied", message: string, status: number): Told {
  return tellRefusal(failure(code, message), status);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function isOwnPath(url: string): boolean {
  const path = pathOf(url);
  return path === "/.gitspaces" || path.startsWith("/.gitspaces/");
}
