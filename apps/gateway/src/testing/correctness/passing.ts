// Rows about what passes: statuses, headers, interim answers, trailers, the first event of a stream.
import { OK, type Row, status } from "./row.ts";

/** A row in which the server inside answers with these bytes; the rest of the answer is looked at. */
function answered(name: string, bytes: string, best: unknown, look: (heard: string) => unknown, method = "GET"): Row {
  const play: Row["play"] = async ({ inside, client, head }) => {
    const { socket, hears } = await client();
    socket.write(head(method, "/") + head("GET", "/after"));
    inside.answer = (asked, to) => void to.write(asked.startsWith(`${method} / `) ? bytes : OK);
    return look(await hears(/\r\n\r\n.*ok$/s));
  };
  return { name, best, play };
}

export const passing: Row[] = [
  answered("basic GET", OK, 200, status),
  answered("204", "HTTP/1.1 204 No Content\r\n\r\n", 204, status),
  answered("304", "HTTP/1.1 304 Not Modified\r\n\r\n", 304, status),
  answered(
    "HEAD",
    "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
    [200, "7"],
    (heard) => [status(heard), /content-length: (\d+)/i.exec(heard)?.[1]],
    "HEAD",
  ),
  answered(
    "hop-by-hop response headers leaked",
    "HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nProxy-Authenticate: x\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok",
    ["X-Kept"],
    (heard) => ["X-Hop", "Proxy-Authenticate", "X-Kept"].filter((name) => heard.includes(`${name}:`)),
  ),
  answered(
    "2 x Set-Cookie, header case and order kept",
    "HTTP/1.1 200 OK\r\nX-CaSe: 1\r\nSet-Cookie: a=1\r\nx-lower: 1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok",
    "X-CaSe: 1 Set-Cookie: a=1 x-lower: 1 Set-Cookie: b=2",
    (heard) =>
      heard
        .split("\r\n")
        .filter((line) => /^(?:x-case|set-cookie|x-lower)/i.test(line))
        .join(" "),
  ),
  answered(
    "response trailers",
    "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n",
    "passed",
    (heard) => (/\r\n0\r\nX-Sum: 7\r\n\r\n/.test(heard) ? "passed" : "lost"),
  ),
  answered(
    "103 early hints",
    `HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n${OK}`,
    "passed",
    (heard) =>
      heard.startsWith(`HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200`)
        ? "passed"
        : "lost",
  ),
  {
    name: "hop-by-hop request headers leaked; Host kept; X-Forwarded-* of the client",
    best: { leaked: [], host: true, forwarded: ["127.0.0.1", true, "http"] },
    async play({ inside, client, head, host }) {
      const { socket, hears } = await client();
      const spoofed = [
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Host: evil",
        "X-Forwarded-Proto: evil",
        "Forwarded: for=6.6.6.6",
      ];
      const hops = [
        "Connection: X-Foo, keep-alive",
        "X-Foo: 1",
        "Keep-Alive: 1",
        "Proxy-Connection: keep-alive",
        "TE: gzip",
      ];
      socket.write(head("GET", "/", ...spoofed, ...hops));
      await hears("ok");
      const [seen = ""] = inside.heads;
      const values = (name: string): string =>
        [...seen.matchAll(new RegExp(`^${name}: (.*)$`, "gim"))].map(([, value]) => value).join();
      return {
        leaked: ["X-Foo", "Keep-Alive", "Proxy-Connection", "TE", "Forwarded"].filter((name) => values(name) !== ""),
        host: values("Host") === host,
        forwarded: [values("X-Forwarded-For"), values("X-Forwarded-Host") === host, values("X-Forwarded-Proto")],
      };
    },
  },
  {
    name: "client pipelining (2 in one packet)",
    best: ["/1", "/2"],
    async play({ inside, client, head }) {
      inside.answer = (asked, socket) =>
        void socket.write(`HTTP/1.1 200 OK\r\nX-Path: ${asked.split(" ")[1]}\r\nContent-Length: 2\r\n\r\nok`);
      const { socket, hears } = await client();
      socket.write(head("GET", "/1") + head("GET", "/2"));
      return [...(await hears(/ok.*ok$/s)).matchAll(/^X-Path: (.*)\r$/gm)].map(([, path]) => path);
    },
  },
  {
    name: "Expect: 100-continue",
    best: ["100 from inside", 200],
    async play({ inside, client, head }) {
      let isWanted = false;
      inside.answer = (_head, to, rest) => {
        let body = rest.toString("latin1");
        const end = (): void => void (body === "abc" && to.write(OK));
        to.on("data", (chunk: Buffer) => {
          body += chunk.toString("latin1");
          end();
        });
        setTimeout(() => {
          isWanted = true;
          to.write("HTTP/1.1 100 Continue\r\n\r\n");
        }, 50);
        end();
      };
      const { socket, hears } = await client();
      socket.write(head("POST", "/", "Expect: 100-continue", "Content-Length: 3"));
      await hears("100 Continue\r\n\r\n");
      const from = isWanted ? "100 from inside" : "100 from the proxy";
      socket.write("abc");
      return [from, status((await hears("ok")).replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, ""))];
    },
  },
  {
    name: "SSE first event",
    best: "within 150 ms",
    async play({ inside, client, head }) {
      let at = 0;
      inside.answer = (_head, to) => {
        to.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        setTimeout(() => {
          at = performance.now();
          to.write("data: 1\n\n");
        }, 30);
      };
      const { socket, hears } = await client();
      socket.write(head("GET", "/"));
      await hears("data: 1");
      return performance.now() - at < 150 ? "within 150 ms" : `${performance.now() - at} ms`;
    },
  },
];
