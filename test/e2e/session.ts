// A program that signs in as a browser would: cookies per host, redirects followed, `*.localhost` on loopback.
import { request } from "node:http";
import type { Api } from "./api.ts";
import type { System } from "./system.ts";

export type Jar = Map<string, Map<string, string>>;
type Reply = { status: number; location: string | undefined; body: string };

function get(url: URL, jar: Jar): Promise<Reply> {
  const cookies = [...(jar.get(url.host) ?? new Map<string, string>())]
    .map(([name, value]) => `${name}=${value}`)
    .join("; ");
  return new Promise((resolve, reject) => {
    const headers = { host: url.host, accept: "text/html", ...(cookies === "" ? {} : { cookie: cookies }) };
    const asking = request(
      { host: "127.0.0.1", port: url.port, path: url.pathname + url.search, headers },
      (response) => {
        const kept = jar.get(url.host) ?? new Map<string, string>();
        for (const line of response.headers["set-cookie"] ?? []) {
          const [pair = ""] = line.split(";");
          kept.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
        }
        jar.set(url.host, kept);
        let body = "";
        response.on("data", (chunk: Buffer) => (body += chunk.toString()));
        response.once("end", () =>
          resolve({ status: response.statusCode ?? 0, location: response.headers.location, body }),
        );
      },
    );
    asking.once("error", reject);
    asking.end();
  });
}

/** Goes where `start` leads, at most twelve hops; `onReply` hears each reply on the way. */
export async function follow(start: string, jar: Jar, onReply: (reply: Reply) => void = () => {}): Promise<Reply> {
  let url = new URL(start);
  for (let hop = 0; hop < 12; hop++) {
    const reply = await get(url, jar);
    onReply(reply);
    if (reply.location === undefined || reply.status < 300 || reply.status > 399) return reply;
    url = new URL(reply.location, url);
  }
  throw new Error(`too many redirects from ${start}`);
}

/** The body that a port of a Gitspace answers to somebody who came by a sign-in link. */
export async function portPage(system: System, api: Api, id: string, port: number, path: string): Promise<string> {
  const jar: Jar = new Map();
  await follow(await api.signInLink(id), jar);
  return (await follow(`http://${port}--${id}.gitspaces.localhost:${system.portBase + 1}${path}`, jar)).body;
}

/** The page of a Gitspace's IDE, for somebody who came by a sign-in link. */
export async function idePage(system: System, api: Api, id: string): Promise<{ status: number; body: string }> {
  const jar: Jar = new Map();
  await follow(await api.signInLink(id), jar);
  return await follow(`http://${id}.gitspaces.localhost:${system.portBase + 1}/`, jar);
}
