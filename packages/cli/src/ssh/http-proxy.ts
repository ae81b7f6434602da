// The way out of a network that has one proxy for all: `CONNECT` to it, as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say.
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { fail } from "@gitspaces/contracts";

/** The proxy for an address, or nothing when it is reached directly. `wss:` goes by HTTPS_PROXY, `ws:` by HTTP_PROXY. */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv): URL | undefined {
  const name = url.protocol === "wss:" || url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = env[name.toLowerCase()] || env[name];
  if (proxy === undefined || proxy === "" || /(^|\.)localhost$|^127\.|^\[::1\]$/.test(url.hostname)) return undefined;
  const exceptions = (env["no_proxy"] || env["NO_PROXY"] || "").split(/[\s,]+/).filter((each) => each !== "");
  const isException = exceptions.some((each) => {
    const suffix = each.replace(/^\*?\.?/, "");
    return each === "*" || url.hostname === suffix || url.hostname.endsWith(`.${suffix}`);
  });
  if (isException) return undefined;
  if (URL.canParse(proxy) && /^https?:$/.test(new URL(proxy).protocol)) return new URL(proxy);
  throw fail("bad_request", `${name} should be the http or https URL of a proxy.`);
}

/** A connection to `url` through a proxy. @throws {FailureError} `denied` with the proxy's status when it does not let us through. */
export async function connectThrough(proxy: URL, url: URL, signal: AbortSignal): Promise<Duplex> {
  const target = `${url.hostname}:${url.port === "" ? (url.protocol === "wss:" ? 443 : 80) : url.port}`;
  const login = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const asking = (proxy.protocol === "https:" ? httpsRequest : httpRequest)({
    host: proxy.hostname,
    port: proxy.port === "" ? (proxy.protocol === "https:" ? 443 : 80) : proxy.port,
    method: "CONNECT",
    path: target,
    headers: {
      host: target,
      ...(proxy.username === "" ? {} : { "proxy-authorization": `Basic ${Buffer.from(login).toString("base64")}` }),
    },
    signal,
  });
  asking.end();
  const [response, socket] = (await once(asking, "connect", { signal })) as [{ statusCode?: number }, Duplex];
  if (response.statusCode === 200) return socket;
  socket.destroy();
  throw fail("denied", `The proxy ${proxy.host} does not lead to ${target}: it answered ${response.statusCode}.`);
}
