// What every forwarder must do, told once and run on each implementation: real sockets on both sides, no gateway between.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Forwarder } from "../forwarder.ts";
import { hash, openStage, reader, type Stage } from "./forwarder-stage.ts";
import { until } from "./street.ts";

/** What an implementation is known to lose; the claim is then that it does, so that a repair is noticed. */
export type KnownLosses = { earlyHints?: boolean; trailers?: boolean; lateBodies?: boolean };

export function forwarderClaims(name: string, open: () => Forwarder, losses: KnownLosses = {}): void {
  let stage: Stage;
  beforeEach(async () => {
    stage = await openStage(open());
  });
  afterEach(async () => stage[Symbol.asyncDispose]());
  const claim = (text: string, run: () => Promise<void>): void => {
    // The assertions are in what is claimed.
    // oxlint-disable-next-line vitest/expect-expect
    test(`${name}: ${text}`, run);
  };

  claim("a GET passes with its raw path and comes back with status, reason and headers", async () => {
    stage.answer = (request, response) => {
      response
        .writeHead(203, "Quite So", ["X-Case", "kept", "Set-Cookie", "a=1", "Set-Cookie", "b=2", "Content-Length", "2"])
        .end("ok");
    };
    const answer = await stage.ask({ path: "//a/../b%2f?x=1&&y" });
    expect(stage.seen[0]?.url).toBe("//a/../b%2f?x=1&&y");
    expect([answer.status, answer.reason, answer.body.toString()]).toEqual([203, "Quite So", "ok"]);
    expect(answer.rawHeaders).toContain("X-Case");
    expect(answer.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
  });

  claim("HEAD, 204 and 304 have no body and hang nobody", async () => {
    stage.answer = (request, response) =>
      void response
        .writeHead(Number(request.url?.slice(1)), request.method === "HEAD" ? { "content-length": 12 } : {})
        .end();
    const head = await stage.ask({ method: "HEAD", path: "/200" });
    expect([head.status, head.headers["content-length"], head.body.length]).toEqual([200, "12", 0]);
    expect((await stage.ask({ path: "/204" })).status).toBe(204);
    expect((await stage.ask({ path: "/304" })).status).toBe(304);
  });

  claim("chunked bodies pass both ways, whatever the method", async () => {
    stage.answer = (request, response) => void request.pipe(response);
    for (const method of ["POST", "DELETE", "OPTIONS", "PATCH"]) {
      const answer = await stage.ask({ method, headers: { "transfer-encoding": "chunked" } }, ["one,", "two"]);
      expect(answer.body.toString()).toBe("one,two");
    }
    expect(stage.seen.every((request) => request.headers["content-length"] === undefined)).toBe(true);
    expect(stage.connections).toBe(1);
  });

  claim("32 MB pass both ways unchanged", async () => {
    stage.answer = (request, response) => void request.pipe(response);
    const block = randomBytes(1024 * 1024);
    const blocks = Array.from({ length: 32 }, () => block);
    const answer = await stage.ask({ method: "PUT", headers: { "content-length": block.length * 32 } }, blocks);
    expect(hash(answer.body)).toBe(hash(Buffer.concat(blocks)));
  });

  claim("a client that does not read holds the sender back", async () => {
    let sent = 0;
    stage.answer = (_request, response) => {
      const block = Buffer.alloc(256 * 1024);
      const fill = (): void => {
        while (sent < 512 && response.write(block)) sent++;
      };
      response.on("drain", fill);
      fill();
    };
    const socket = connect(stage.port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    await once(socket, "readable");
    await sleep(300);
    expect(sent * 256 * 1024).toBeLessThan(64 * 1024 * 1024);
    socket.destroy();
    await stage.quiet();
  });

  claim("an event stream passes event by event, its head before any event", async () => {
    let next = (): void => {};
    stage.answer = (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      next = () => void response.write("data: 1\n\n");
    };
    const asked = httpRequest({ port: stage.port, host: "127.0.0.1", agent: false }).end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    next();
    const [event] = (await once(answer, "data")) as [Buffer];
    expect(event.toString()).toBe("data: 1\n\n");
    asked.destroy();
    await stage.quiet();
  });

  claim("three hundred answers that stay open keep nobody else waiting", async () => {
    stage.answer = (request, response) => void (request.url === "/stream" ? response.write("on") : response.end("ok"));
    const sockets = Array.from({ length: 300 }, () => connect(stage.port, "127.0.0.1"));
    for (const socket of sockets) socket.write("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    await Promise.all(sockets.map((socket) => once(socket, "data")));
    expect((await stage.ask({})).body.toString()).toBe("ok");
    for (const socket of sockets) socket.destroy();
    await until(() => stage.pending === 0, "the forwarder is done with all of them");
  });

  claim("a client that leaves takes the upstream request along, before and during the answer", async () => {
    for (const isBegun of [false, true]) {
      stage.answer = (_request, response) => void (isBegun && response.write("some"));
      const asked = httpRequest({ port: stage.port, host: "127.0.0.1", agent: false }).end();
      asked.on("error", () => {});
      const before = stage.seen.length;
      const answered = isBegun ? once(asked, "response") : undefined;
      await until(() => stage.seen.length > before, "the upstream was asked");
      const [answer] = ((await answered) ?? []) as IncomingMessage[];
      answer?.on("error", () => {});
      asked.destroy();
      await stage.quiet();
    }
  });

  claim("an upstream that dies in the middle of a body cuts the client, and does not end it cleanly", async () => {
    stage.answer = (_request, response) => {
      response.write("half");
      setTimeout(() => response.socket?.resetAndDestroy(), 20);
    };
    await expect(stage.ask({})).rejects.toThrow(/aborted|ECONNRESET/);
  });

  claim("an answer that is none is told as vm_unreachable, to a request and to an upgrade", async () => {
    const heads = ["HTTP/1.1 000 Odd", "HTTP/1.1 099 Odd", "HTTP/1.1 200 OK\r\nbad name: x"];
    for (const head of heads) {
      const whole = `${head}\r\nContent-Length: 2\r\n\r\nok`;
      stage.answer = ({ socket }) => void socket.end(whole);
      const answer = await stage.ask({});
      expect([head, answer.status, answer.body.toString()]).toEqual([head, 502, "vm_unreachable"]);
      stage.onUpgrade = (_request, socket) => void socket.resume().end(whole);
      const socket = connect(stage.port, "127.0.0.1");
      socket.write(upgradeHead);
      expect(await reader(socket)("vm_unreachable")).toMatch(/^HTTP\/1.1 502 /);
      socket.destroy();
    }
    await stage.quiet();
  });

  claim("a reason that no server may give is left out", async () => {
    stage.answer = ({ socket }) => void socket.end("HTTP/1.1 200 O\u0001K\r\nContent-Length: 2\r\n\r\nok");
    const answer = await stage.ask({});
    expect([answer.status, answer.reason, answer.body.toString()]).toEqual([200, "", "ok"]);
  });

  claim("a body where none may be ends the request, and is not kept waiting for", async () => {
    stage.answer = ({ socket }) => void socket.end("HTTP/1.1 200 OK\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    const answer = await stage.ask({ method: "HEAD" });
    expect([answer.status, answer.body.length]).toEqual([200, 0]);
    await stage.quiet();
  });

  claim("an upload that nobody takes is answered, and its connection is good for the next request", async () => {
    stage.answer = (request) => void request.once("data", () => request.socket.destroy());
    const socket = connect(stage.port, "127.0.0.1");
    const read = reader(socket);
    const block = Buffer.alloc(256 * 1024);
    socket.write(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${block.length * 64}\r\n\r\n`);
    for (let count = 0; count < 64; count++) socket.write(block);
    expect(await read("vm_unreachable")).toMatch(/^HTTP\/1.1 502 /);
    stage.answer = (_request, response) => void response.end("the next one");
    socket.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    await read("the next one");
    socket.destroy();
  });

  claim("an upstream that dies before its answer is told as vm_unreachable", async () => {
    stage.answer = (request) => request.socket.destroy();
    const answer = await stage.ask({ method: "POST", headers: { "content-length": 0 } });
    expect([answer.status, answer.body.toString()]).toEqual([502, "vm_unreachable"]);
  });

  claim("a pooled socket that died meanwhile is noticed and a GET goes over a new one", async () => {
    stage.answer = (_request, response) => void response.end("ok");
    expect((await stage.ask({})).status).toBe(200);
    stage.answer = (request, response) => {
      stage.answer = (_again, fresh) => void fresh.end("again");
      request.socket.destroy();
      response.destroy();
    };
    expect((await stage.ask({})).body.toString()).toBe("again");
    expect(stage.connections).toBe(2);
  });

  claim("sockets are kept for the next request, and all end with the upstream", async () => {
    stage.answer = (_request, response) => void response.end("ok");
    for (let count = 0; count < 5; count++) await stage.ask({});
    expect(stage.connections).toBe(1);
    stage.end();
    await stage.quiet();
    expect((await stage.ask({})).status).toBe(502);
    expect(stage.seen).toHaveLength(5);
  });

  claim("hop-by-hop headers stop on either side", async () => {
    stage.answer = (_request, response) => {
      response
        .writeHead(200, [
          "Connection",
          "X-Answer, keep-alive",
          "X-Answer",
          "1",
          "Keep-Alive",
          "timeout=9",
          "Proxy-Authenticate",
          "x",
          "X-Kept",
          "1",
        ])
        .end("ok");
    };
    const answer = await stage.ask({
      headers: { connection: "x-asked, close", "x-asked": "1", "keep-alive": "1", te: "trailers, gzip", "x-kept": "1" },
    });
    const seen = stage.seen[0]?.headers ?? {};
    expect([seen["x-asked"], seen["keep-alive"], seen.te, seen["x-kept"]]).toEqual([
      undefined,
      undefined,
      undefined,
      "1",
    ]);
    expect(answer.headers).not.toHaveProperty("x-answer");
    expect(answer.headers).not.toHaveProperty("proxy-authenticate");
    expect(answer.headers["keep-alive"]).not.toBe("timeout=9");
    expect(answer.headers["x-kept"]).toBe("1");
  });

  claim(`early hints (103) are ${losses.earlyHints === true ? "lost (known)" : "passed on"}`, async () => {
    stage.answer = (_request, response) =>
      response.writeEarlyHints({ link: "</a.css>; rel=preload" }, () => response.end("ok"));
    const asked = httpRequest({ port: stage.port, host: "127.0.0.1", agent: false }).end();
    let hints = 0;
    asked.on("information", () => hints++);
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    answer.resume();
    expect([answer.statusCode, hints]).toEqual([200, losses.earlyHints === true ? 0 : 1]);
  });

  claim(`trailers are ${losses.trailers === true ? "lost (known)" : "passed on"}`, async () => {
    stage.answer = (_request, response) => {
      response.writeHead(200, { trailer: "x-sum" }).write("ok");
      response.addTrailers({ "x-sum": "7" });
      response.end();
    };
    const answer = await stage.ask({});
    expect([answer.body.toString(), answer.trailers["x-sum"]]).toEqual([
      "ok",
      losses.trailers === true ? undefined : "7",
    ]);
  });

  claim("a body in chunks that turns out to be empty is no reason to wait", async () => {
    stage.answer = (request, response) => void request.resume().on("end", () => response.end("empty"));
    const socket = connect(stage.port, "127.0.0.1");
    socket.write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    await reader(socket)("empty");
    socket.destroy();
  });

  claim(
    `a head ${losses.lateBodies === true ? "waits for its body (known)" : "goes ahead of a body that is late"}`,
    async () => {
      stage.answer = (request, response) => void request.pipe(response);
      const socket = connect(stage.port, "127.0.0.1");
      const read = reader(socket);
      socket.write("POST / HTTP/1.1\r\nHost: h\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n");
      if (losses.lateBodies === true) await sleep(200);
      else await until(() => stage.seen.length === 1, "the server inside was asked");
      expect(stage.seen).toHaveLength(losses.lateBodies === true ? 0 : 1);
      socket.write("4\r\nlate\r\n0\r\nX-Sum: 7\r\n\r\n");
      await read("late");
      await until(() => stage.seen[0]?.complete === true, "the body is there inside");
      expect(stage.seen[0]?.trailers["x-sum"]).toBe(losses.lateBodies === true ? undefined : "7");
      socket.destroy();
    },
  );

  claim("200 upgrades abandoned, 200 refused, 200 streams and 400 requests left leave nothing", async () => {
    const get = "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n";
    stage.answer = (request, response) => void (request.url === "/stream" && response.write("some"));
    const play = async (count: number, text: string, word: string): Promise<void> => {
      for (let done = 0; done < count; done += 100) {
        const sockets = Array.from({ length: 100 }, () => connect(stage.port, "127.0.0.1").on("error", () => {}));
        for (const socket of sockets) socket.write(text);
        if (word === "") await until(() => stage.open.size === 100, "all were asked inside");
        else await Promise.all(sockets.map((socket) => reader(socket)(word)));
        for (const [at, socket] of sockets.entries()) {
          if (at % 2 === 0) socket.resetAndDestroy();
          else socket.destroy();
        }
        await stage.quiet();
      }
    };
    stage.onUpgrade = (_request, socket) => void socket.resume().on("end", () => socket.end());
    await play(200, upgradeHead, "");
    stage.onUpgrade = (_request, socket) => void socket.end("HTTP/1.1 404 Not Here\r\nContent-Length: 4\r\n\r\nnope");
    await play(200, upgradeHead, "nope");
    await play(200, get, "some");
    await play(400, get.replace("/stream", "/silent"), "");
    expect([stage.open.size, stage.pending]).toEqual([0, 0]);
  });

  claim("an upgrade switches, echoes what was sent early and late, and passes both halves' ends", async () => {
    stage.onUpgrade = (_request, socket, head) => {
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Case: kept\r\n\r\nhello,",
      );
      if (head.length > 0) socket.write(head);
      socket.on("end", () => socket.end("bye"));
      socket.pipe(socket, { end: false });
    };
    const socket = connect({ port: stage.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.write(`${upgradeHead}early,`);
    const read = reader(socket);
    expect(await read("early,")).toMatch(/^HTTP\/1.1 101 .*X-Case: kept.*\r\n\r\nhello,early,$/s);
    socket.write("late,");
    await read("late,");
    socket.end();
    expect(await read("bye")).toMatch(/late,bye$/);
    await stage.quiet();
  });

  claim("a refused upgrade is passed on with its body", async () => {
    stage.onUpgrade = (_request, socket) =>
      void socket
        .resume()
        .on("end", () => socket.end())
        .write("HTTP/1.1 404 Not Here\r\nContent-Length: 4\r\nX-Why: gone\r\n\r\nnope");
    const socket = connect(stage.port, "127.0.0.1");
    socket.write(upgradeHead);
    const [text] = await Promise.all([reader(socket)("nope"), once(socket, "end")]);
    expect(text).toMatch(/^HTTP\/1.1 404 Not Here\r\n.*X-Why: gone.*nope$/s);
    await stage.quiet();
  });

  claim("an upgrade that the client abandons while the upstream is silent leaves nothing", async () => {
    stage.onUpgrade = (_request, socket) => void socket.resume().on("end", () => socket.end());
    for (const leave of ["end", "resetAndDestroy"] as const) {
      const socket = connect(stage.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.write(upgradeHead);
      await until(() => stage.open.size === 1, "the upstream was asked");
      socket[leave]();
      await stage.quiet();
    }
  });

  claim("one side's death ends the other side of an upgraded connection", async () => {
    let inside: Socket | undefined;
    stage.onUpgrade = (_request, socket) => {
      inside = socket;
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    };
    const socket = connect(stage.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(upgradeHead);
    await reader(socket)("\r\n\r\n");
    inside?.resetAndDestroy();
    await once(socket, "close");
    await stage.quiet();
  });
}

const upgradeHead = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
