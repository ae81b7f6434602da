// A browser as far as a measurement needs one: keeps connections and cookies, follows redirects, reads the page.
import { Agent, type IncomingMessage, request } from "node:http";

/** A page that loads itself again wakes nothing: when a start begins is the measurement's affair. */
const itself = { "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };

type Page = { status: number; location: string | undefined; body: string };

/** A visitor without any cookie yet. Every address it visits is on this machine. */
export function newVisitor(): { visit(url: string): Promise<Page> } & Disposable {
  const agent = new Agent({ keepAlive: true });
  const jar = new Map<string, Map<string, string>>();

  function keepCookies(host: string, response: IncomingMessage): void {
    const cookies = jar.get(host) ?? new Map<string, string>();
    for (const line of response.headers["set-cookie"] ?? []) {
      const [pair = ""] = line.split(";");
      cookies.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
    }
    jar.set(host, cookies);
  }

  function get(url: URL): Promise<Page> {
    const { promise, resolve, reject } = Promise.withResolvers<Page>();
    const cookie = [...(jar.get(url.host) ?? [])].map((pair) => pair.join("=")).join("; ");
    const headers = { host: url.host, accept: "text/html", ...itself, ...(cookie === "" ? {} : { cookie }) };
    const place = { host: "127.0.0.1", port: url.port, path: url.pathname + url.search };
    const asking = request({ ...place, headers, agent }, (response) => {
      keepCookies(url.host, response);
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      const { statusCode = 0, headers: answered } = response;
      response
        .once("end", () => resolve({ status: statusCode, location: answered.location, body }))
        .once("error", reject);
    });
    asking.once("error", reject).end();
    return promise;
  }

  return {
    async visit(start) {
      let url = new URL(start);
      for (let hop = 0; hop < 12; hop++) {
        const page = await get(url);
        if (page.location === undefined || page.status < 300 || page.status > 399) return page;
        url = new URL(page.location, url);
      }
      throw new Error(`too many redirects from ${start}`);
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}
