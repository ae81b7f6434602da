// The rows of the correctness matrix: what is sent, what is said inside, and what the best of the proxies we know lets through.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Inside } from "./raw-inside.ts";
import { until } from "./street.ts";

export type Play = {
  inside: Inside;
  /** A connection to the gateway, and everything it has heard. */
  client(): Promise<Client>;
  /** The host of the Gitspace with its port. */
  host: string;
  /** A whole head that is admitted; `more` are further header lines. */
  head(method: string, path: string, ...more: string[]): string;
};
export type Client = {
  socket: Socket;
  heard: () => string;
  hears(text: string | RegExp): Promise<string>;
  ended: Promise<void>;
};
export type Row = { name: string; best: unknown; play(play: Play): Promise<unknown> };

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const UPGRADE = ["Connection: Upgrade", "Upgrade: foo"];
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n";

const status = (heard: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(heard)?.[1] ?? 0);

/** A row that sends one head as it is, and looks at the status alone. */
function told(name: string, best: number | string, text: (play: Play) => string): Row {
  const play: Row["play"] = async (stage) => {
    const client = await stage.client();
    client.socket.write(text(stage), "latin1");
    return status(await client.hears("\r\n\r\n"));
  };
  return { name, best, play };
}

/** A row in which the server inside answers with these bytes; the rest of the answer is looked at. */
function answered(name: string, bytes: string, best: unknown, look: (heard: string) => unknown, method = "GET"): Row {
  const play: Row["play"] = async ({ inside, client, head }) => {
    inside.answer = (_head, socket) => void socket.write(bytes);
    const { socket, hears } = await client();
    socket.write(head(method, "/") + head("GET", "/after"));
    inside.answer = (asked, to) => void to.write(asked.startsWith(`${method} / `) ? bytes : OK);
    return look(await hears(/\r\n\r\n.*ok$/s));
  };
  return { name, best, play };
}

const swap = (text: string, from: string | RegExp, to: string): string => text.replace(from, to);

/** What the rows about malformed requests have in common: an admitted head in which one thing is wrong. */
const malformed: Row[] = [
  told(
    "TE and CL",
    400,
    ({ head }) => `${head("POST", "/", "Content-Length: 3", "Transfer-Encoding: chunked")}0\r\n\r\n`,
  ),
  told("two different CL", 400, ({ head }) => `${head("POST", "/", "Content-Length: 3", "Content-Length: 4")}abcd`),
  told("TE: xchunked", 400, ({ head }) => `${head("POST", "/", "Transfer-Encoding: xchunked")}0\r\n\r\n`),
  told("duplicate Host", 400, ({ head, host }) => head("GET", "/", `Host: ${host}`)),
  told("absolute-form URL", 400, ({ head }) => head("GET", "http://evil.example/ok")),
  told("malformed: no colon", 400, ({ head }) => head("GET", "/", "nocolon")),
  told("malformed: space before colon", 400, ({ head }) => head("GET", "/", "X-A : 1")),
  told("malformed: bare LF lines", 400, ({ head }) => swap(head("GET", "/"), /\r\n/g, "\n") + "\r\n\r\n"),
  told("malformed: NUL in URL", 400, ({ head }) => head("GET", "/a\0b")),
  told("request header 12 KB", 200, ({ head }) => head("GET", "/", `X-Long: ${"x".repeat(12 * 1_024)}`)),
  told("request header 40 KB", 200, ({ head }) => head("GET", "/", `X-Long: ${"x".repeat(40 * 1_024)}`)),
];

const passing: Row[] = [
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
      /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200/.test(heard)
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

const endings: Row[] = [
  ...(["while streaming", "before headers", "mid-upload"] as const).map(
    (when): Row => ({
      name: `client abort ${when}`,
      best: "closed inside",
      async play({ inside, client, head }) {
        inside.answer = (_head, to) => void (when === "while streaming" && to.write("HTTP/1.1 200 OK\r\n\r\nsome"));
        const { socket, hears } = await client();
        socket.write(when === "mid-upload" ? `${head("POST", "/", "Content-Length: 100")}some` : head("GET", "/"));
        await until(() => inside.heads.length === 1, "the server inside was asked");
        if (when === "while streaming") await hears("some");
        socket.destroy();
        await until(() => inside.open.size === 0, "the connection inside is closed");
        return "closed inside";
      },
    }),
  ),
  {
    name: "backend dies before headers",
    best: 502,
    async play({ inside, client, head }) {
      inside.answer = (_head, to) => void to.resetAndDestroy();
      const { socket, hears } = await client();
      socket.write(head("GET", "/"));
      return status(await hears("\r\n\r\n"));
    },
  },
  ...(["Content-Length: 100", "Transfer-Encoding: chunked"] as const).map(
    (framing): Row => ({
      name: `backend dies mid-body (${framing})`,
      best: { ended: true, clean: false },
      async play({ inside, client, head }) {
        inside.answer = (_head, to) => {
          to.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n4\r\nsome\r\n`);
          setTimeout(() => to.resetAndDestroy(), 30);
        };
        const { socket, heard, ended } = await client();
        socket.write(head("GET", "/"));
        await ended;
        return { ended: heard().includes("some"), clean: heard().endsWith("\r\n0\r\n\r\n") };
      },
    }),
  ),
];

const upgrades: Row[] = [
  {
    name: "Upgrade: foo (not websocket)",
    best: "101 and the echo of early data",
    async play({ inside, client, head }) {
      inside.answer = (_head, to, rest) => {
        to.write(SWITCH);
        to.write(rest);
        to.pipe(to);
      };
      const { socket, hears } = await client();
      socket.write(`${head("GET", "/", ...UPGRADE)}early`);
      const heard = await hears("early");
      const isWhole = /^HTTP\/1\.1 101 .*\r\nUpgrade: foo\r\n/s.test(heard) && heard.endsWith("\r\n\r\nearly");
      return isWhole ? "101 and the echo of early data" : heard;
    },
  },
  {
    name: "half-close through tunnel",
    best: "FIN and a late reply",
    async play({ inside, client, head }) {
      inside.answer = (_head, to) => {
        to.removeAllListeners("end");
        to.on("end", () => setTimeout(() => to.end("late"), 50));
        to.write(SWITCH);
        to.resume();
      };
      const { socket, hears, ended } = await client();
      socket.write(head("GET", "/", ...UPGRADE));
      await hears("\r\n\r\n");
      socket.end();
      await ended;
      return (await hears("late")).endsWith("late") ? "FIN and a late reply" : "lost";
    },
  },
  ...(["reader", "backend"] as const).map(
    (slow): Row => ({
      name: `slow ws ${slow}: what is accepted`,
      best: "less than 32 MB",
      async play({ inside, client, head }) {
        let sender: Socket | undefined;
        inside.answer = (_head, to) => {
          to.write(SWITCH);
          to.pause();
          if (slow === "reader") sender = to;
        };
        const { socket, hears } = await client();
        socket.write(head("GET", "/", ...UPGRADE));
        await hears("\r\n\r\n");
        socket.removeAllListeners("data");
        socket.pause();
        sender ??= socket;
        const block = Buffer.alloc(256 * 1_024);
        let accepted = 0;
        for (let isTaken = true; isTaken && accepted < 64; accepted += 0.25) {
          isTaken = sender.write(block);
          if (!isTaken) isTaken = await Promise.race([once(sender, "drain").then(() => true), sleep(300, false)]);
        }
        return accepted < 32 ? "less than 32 MB" : `${accepted} MB`;
      },
    }),
  ),
  {
    name: "upgrade refused",
    best: ["404", "nope"],
    async play({ inside, client, head }) {
      inside.answer = (_head, to) => void to.write("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope");
      const { socket, hears, ended } = await client();
      socket.write(head("GET", "/", ...UPGRADE));
      const heard = await hears("nope");
      await ended;
      return [String(status(heard)), heard.slice(-4)];
    },
  },
];

/** Connections that clients leave behind; whatever is open inside afterwards, unless it idles for the next request, is a leak. */
const leaks: Row[] = (
  [
    ["aborted upgrades, backend silent", UPGRADE, "", 100],
    ["upgrades refused 404", UPGRADE, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope", 100],
    ["aborted streams", [], "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nsome", 100],
    ["aborted GETs", [], "", 200],
  ] as const
).map(
  ([what, lines, says, count]): Row => ({
    name: `${count} ${what}`,
    best: "0 left",
    async play({ inside, client, head }) {
      inside.answer = (_head, to) => void to.write(says);
      for (let done = 0; done < count; done += 50) {
        const clients = await Promise.all(Array.from({ length: 50 }, client));
        for (const { socket } of clients) socket.write(head("GET", "/", ...lines));
        if (says === "") await until(() => inside.heads.length >= done + 50, "the server inside was asked");
        else await Promise.all(clients.map(({ hears }) => hears("\r\n\r\n")));
        for (const [at, { socket }] of clients.entries()) at % 2 === 0 ? socket.resetAndDestroy() : socket.end();
        await until(() => inside.open.size === 0, "nothing is left inside");
        for (const { socket } of clients) socket.destroy();
      }
      return `${inside.open.size} left`;
    },
  }),
);

export const rows: readonly Row[] = [...passing, ...malformed, ...endings, ...upgrades, ...leaks];

/** A client that remembers what it heard. */
export async function openClient(port: number): Promise<Client> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  const ended = new Promise<void>((resolve) => {
    for (const event of ["end", "close"]) socket.once(event, () => resolve());
  });
  const isThere = (wanted: string | RegExp): boolean =>
    typeof wanted === "string" ? text.includes(wanted) : wanted.test(text);
  return {
    socket,
    ended,
    heard: () => text,
    async hears(wanted) {
      await until(() => isThere(wanted), `"${wanted}" was heard; so far "${text.slice(0, 2_000)}"`);
      return text;
    },
  };
}
