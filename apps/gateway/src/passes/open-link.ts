// `/.gitspaces/share`: a link becomes a cookie of this one host.
import type { IncomingMessage, ServerResponse } from "node:http";
import { failure, type Target } from "@gitspaces/contracts";
import { sendJson, tell } from "../answer.ts";
import { linkCookieName, setCookie } from "../cookies.ts";
import type { House } from "../house.ts";
import { isForeign } from "../origin.ts";
import { tellRefusal } from "../pages.ts";
import type { Site } from "../site.ts";
import { ownBearer } from "./bearer.ts";
import { sessionOfBearer } from "./visitor.ts";

export const SHARE_PATH = "/.gitspaces/share";

type Asked = { site: Site; target: Target };

/** Answers the page's question: where to go on, with the cookie for it; 401 for a link that opens nothing here. */
export async function openLink(
  house: House,
  request: IncomingMessage,
  response: ServerResponse,
  { site, target }: Asked,
): Promise<void> {
  const { access, clock, links, names, uses } = house;
  const { clientAddress } = house.edge.arrivals.of(request);
  const { headers } = request;
  const ownOrigin = `${house.scheme}://${site.host}`;
  const asking = { method: "POST", headers, isUpgrade: false, ownOrigin, hasSession: true };
  if (headers.origin === undefined || isForeign(asking))
    return refuse(request, response, "A link is opened by its own page.", 403);
  const document = access.find(target.gitspaceId);
  const session = sessionOfBearer(house, ownBearer(headers.authorization ?? "") ?? "", site, document);
  if (session?.pass?.kind !== "link")
    return refuse(
      request,
      response,
      "This link opens nothing here: it has ended, was taken back, or is not whole.",
      401,
    );
  const { id, path } = session.pass;
  const maxAgeSeconds = Math.floor((session.expiresAt - clock.now()) / 1_000);
  const name = linkCookieName(id, house.installation, names.secure);
  const cookie = setCookie(name, await links.begin(session), { path: "/", maxAgeSeconds, secure: names.secure });
  uses.opened({ gitspaceId: target.gitspaceId, pass: id, port: target.port, address: clientAddress });
  response.setHeader("Set-Cookie", cookie);
  sendJson(response, 200, { to: path });
}

function refuse(request: IncomingMessage, response: ServerResponse, message: string, status: number): void {
  tell(request, response, tellRefusal(failure("denied", message), status));
}
