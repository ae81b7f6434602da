// What the gateway says where it does not forward: one answer for each verdict, and for each way to fail.
import { type AccessDocument, failure, httpStatus, toFailure } from "@gitspaces/contracts";
import { redirect, tell } from "./answer.ts";
import type { Door } from "./door.ts";
import type { House } from "./house.ts";
import { type Told, tellBrokeOff, tellNotListening, tellRefusal, tellSituation, unknownPlace } from "./pages.ts";
import { sayScope } from "./passes/scope.ts";
import { answerPreflight } from "./siblings.ts";
import { departure } from "./sign-in.ts";
import type { Site } from "./site.ts";
import { NOT_LISTENING } from "./tunnel.ts";
import { BROKE_OFF } from "./upstream-answer.ts";
import type { Verdict } from "./verdict.ts";

/** Answers a visit that is not forwarded. */
export function act(house: House, { request, answer }: Door, site: Site, verdict: Verdict): void {
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

/** What is told of an error; `asked` is the Gitspace that was forwarded to, if it came so far. */
export function explain(house: House, error: unknown, asked: AccessDocument | undefined, port: number): Told {
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
