// What the stand-in answers about sharing: enough for the commands to be told apart, with real links.
import { CreateAccessToken, CreateShare, fail, parse, SetVisibility, type Share } from "@gitspaces/contracts";
import { makePass } from "@gitspaces/contracts/passes";

type Asked = { method: string; path: string; body: unknown };

export function sharingAnswers() {
  const shares = new Map<string, Share>();
  const chosen = new Map<number, "private" | "organisation" | "public">();
  const visibility = (port: number) => {
    const now = chosen.get(port) ?? "private";
    return { port, url: `http://${port}--x.test`, visibility: now, chosen: now };
  };
  return {
    /** The status and body, or nothing when it is about something else. */
    answer({ method, path, body }: Asked): [status: number, body?: unknown] | undefined {
      const [room, id = "", part, last] = path.split("/");
      if (path === "access-tokens" && method === "POST") {
        const { name, gitspace_identifiers = null, ports = null } = parse(CreateAccessToken, body, "token");
        const about = { identifier: "tok1", name, gitspace_identifiers, ports };
        const times = { created: 1, expires_at: 2, requests: 0, last_used: null };
        return [201, { ...about, ...times, token: makePass("token").text }];
      }
      if (path === "access-tokens") return [200, []];
      if (room === "access-tokens") return [204];
      if (part === "ports") return [200, { ports: [{ ...visibility(3000) }] }];
      if (part === "visibility" && last !== undefined) {
        chosen.set(Number(last), parse(SetVisibility, body, "visibility").visibility);
        return [200, visibility(Number(last))];
      }
      if (part === "visibility") return [200, { most: "public", ports: [...chosen.keys()].map(visibility) }];
      if (part !== "shares") return undefined;
      if (method === "POST") {
        const { methods = null, expires_in_seconds, ...asked } = parse(CreateShare, body, "share");
        const { id: identifier, text } = makePass("link");
        const times = {
          created: 0,
          created_by: "ada",
          expires_at: expires_in_seconds * 1_000,
          requests: 0,
          last_used: null,
        };
        const made = { identifier, gitspace_identifier: id, ...asked, methods, ...times };
        shares.set(identifier, made);
        return [201, { ...made, link: `http://3000--x.test/.gitspaces/share#${text}` }];
      }
      if (method === "DELETE") {
        if (!shares.delete(last ?? "")) throw fail("not_found", "There is no such link of this Gitspace.");
        return [204];
      }
      if (last === undefined) return [200, [...shares.values()]];
      const use = { at: 1, gitspace_identifier: id, port: 3000, address: "192.0.2.7", requests: 4 };
      return [200, [use, { ...use, requests: 0 }]];
    },
  };
}
