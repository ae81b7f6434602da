// Who is behind a request: a pass it brings itself, else the person or the link of its cookies.
import type { IncomingMessage } from "node:http";
import type { AccessDocument } from "@gitspaces/contracts";
import { admit, type Session } from "../admission.ts";
import { pairs } from "../header-policy.ts";
import { type House, sessionOf } from "../house.ts";
import type { Site } from "../site.ts";
import { ownBearer } from "./bearer.ts";
import { isListed } from "./pass-reader.ts";
import { isWithin } from "./scope.ts";

export type Visitor = {
  session: Session | undefined;
  /** A browser adds cookies by itself, also for a page of somebody else; a header of ours only whoever has the pass. */
  isByHeader: boolean;
  /** `pass`: what was brought is none, or no longer. `scope`: it does not open this. */
  refused?: "pass" | "scope";
};

type Asking = { request: IncomingMessage; site: Site; document: AccessDocument | undefined; isUpgrade: boolean };

export async function visitorOf(house: House, { request, site, document, isUpgrade }: Asking): Promise<Visitor> {
  const port = site.target?.port ?? 0;
  const { method = "GET", url = "/", headers } = request;
  const ask = { method, url, headers, isUpgrade };
  const [bearer, second] = bearersOf(request.rawHeaders);
  if (bearer !== undefined) {
    const session = second === undefined ? sessionOfBearer(house, bearer, site, document) : undefined;
    if (session?.pass === undefined) return { session: undefined, isByHeader: true, refused: "pass" };
    if (!isWithin(session.pass, ask)) return { session, isByHeader: true, refused: "scope" };
    return { session, isByHeader: true };
  }
  const { cookie } = headers;
  const person = await sessionOf(house, cookie, site.hostname);
  if (document === undefined || admit(document, port, person) === "admitted")
    return { session: person, isByHeader: false };
  const links = (await house.links.read(cookie, site.hostname, document)).filter(
    (each) => admit(document, port, each) === "admitted",
  );
  const fitting = links.find(({ pass }) => pass !== undefined && isWithin(pass, ask));
  if (fitting !== undefined) return { session: fitting, isByHeader: false };
  return links[0] === undefined
    ? { session: person, isByHeader: false }
    : { session: links[0], isByHeader: false, refused: "scope" };
}

/** The passes that a request brings in its headers: none, one, or too many to know which is meant. */
function bearersOf(rawHeaders: readonly string[]): string[] {
  const values = [...pairs(rawHeaders)].filter(([name]) => name.toLowerCase() === "authorization");
  return values.map(([, value]) => ownBearer(value)).filter((text) => text !== undefined);
}

/** The session of a pass that is good now and opens this port. */
export function sessionOfBearer(
  { passes, clock }: Pick<House, "passes" | "clock">,
  text: string,
  { hostname, target }: Site,
  document: AccessDocument | undefined,
): Session | undefined {
  if (document === undefined || target === undefined || document.state === "deleted") return undefined;
  const session = passes.read(text, document, hostname, clock.now());
  if (session?.pass === undefined || session.expiresAt <= clock.now()) return undefined;
  return isListed(document, target.port, session.pass) ? session : undefined;
}
