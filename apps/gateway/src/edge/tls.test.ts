// TLS as browsers and clients meet it: modern only, renewed while it runs, and bound to the host that was greeted.
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { execFile } from "node:child_process";
import { keepConnectionReserve } from "@gitspaces/daemon";
import { afterAll, beforeAll, expect, test } from "vitest";
import { raw, readAnswer } from "../testing/raw-http.ts";
import { ADA, BOB, DOMAIN, until } from "../testing/street.ts";
import { openTlsStreet, type TlsStreet } from "../testing/tls-front.ts";
import { makeFrontServer } from "./front-server.ts";

const run = promisify(execFile);
const own = `${ADA}.${DOMAIN}`;
let front: TlsStreet;
beforeAll(async () => {
  front = await openTlsStreet({ redirectListen: "127.0.0.1:0" });
  const { street } = front;
  await street.controlPlane.publish({ gitspaceId: ADA });
  await street.setRoute();
  await until(() => street.gateway.house.access.find(ADA) !== undefined, "the document came");
  await until(() => street.gateway.house.routes.find(ADA) !== undefined, "the route came");
});
afterAll(async () => front[Symbol.asyncDispose]());

async function get(lines = "", options = {}) {
  const cookie = await front.street.cookie("ada");
  return front.ask(`GET / HTTP/1.1\r\nHost: HOST\r\nCookie: ${cookie}\r\n${lines}\r\n`, options);
}
const certificateOf = (socket: TLSSocket) => socket.getPeerX509Certificate()?.fingerprint256;

test("a Gitspace is served over TLS, its own server learns so, and every answer says to come by https only", async () => {
  const inside = await get();
  expect([inside.status, inside.body]).toEqual([200, "inside"]);
  expect(front.street.inside.requests.at(-1)?.headers["x-forwarded-proto"]).toBe("https");
  expect(inside.header("strict-transport-security")).toBe("max-age=31536000");
  const stranger = await front.ask("GET / HTTP/1.1\r\nHost: HOST\r\n\r\n");
  expect(stranger.header("strict-transport-security")).toBe("max-age=31536000");
  expect(stranger.header("set-cookie")).toMatch(/^__Secure-gs-nonce-.*; Secure/);
});

test("a Gitspace's own word about https is replaced by the gateway's", async () => {
  const { inside } = front.street;
  const before = inside.answer;
  inside.answer = (_request, response) =>
    void response.writeHead(200, { "Strict-Transport-Security": "max-age=0" }).end("inside");
  const { head } = await get();
  inside.answer = before;
  expect(head.match(/strict-transport-security: .*/gi)).toEqual(["Strict-Transport-Security: max-age=31536000"]);
});

test("an upgraded connection runs over TLS", async () => {
  const socket = await front.connect();
  const cookie = await front.street.cookie("ada");
  socket.write(
    `GET / HTTP/1.1\r\nHost: ${own}\r\nCookie: ${cookie}\r\nOrigin: https://${own}\r\n` +
      "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  );
  expect((await readAnswer(socket)).status).toBe(101);
  socket.removeAllListeners("readable");
  socket.write("and back");
  for await (const chunk of socket) {
    expect(String(chunk)).toBe("and back");
    break;
  }
});

test("an upgraded connection may end one half over TLS and read on, as it may without", async () => {
  await using opened = new AsyncDisposableStack();
  const server = makeFrontServer(front.street.gateway.house.edge).listen(0, "127.0.0.1");
  opened.defer(() => void server.close());
  server.on("upgrade", (_request, socket) => {
    let heard = "";
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    socket.on("data", (chunk: Buffer) => (heard += chunk.toString())).on("end", () => socket.end(`heard ${heard}`));
  });
  await once(server, "listening");
  const socket = await front.connect({ port: (server.address() as AddressInfo).port });
  socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
  expect((await readAnswer(socket)).status).toBe(101);
  socket.removeAllListeners("readable");
  socket.end("last words");
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  expect(answer).toBe("heard last words");
});

test("E14: where descriptors are short, a newcomer over TLS is known as one and can be told", async () => {
  await using opened = new AsyncDisposableStack();
  const server = makeFrontServer(front.street.gateway.house.edge);
  const reserve = keepConnectionReserve(server, () => ({ inUse: 90, limit: 100 }));
  server.on("request", (request, response) => {
    response.writeHead(reserve.isRefused(request.socket) ? 503 : 200, { "Content-Length": 0 }).end();
  });
  server.listen(0, "127.0.0.1");
  opened.defer(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  expect((await get("", { port })).status).toBe(503);
});

test("T13: the gateway speaks HTTP/1.1 alone: h2 is not agreed to, and its preface is no request", async () => {
  const socket = await front.connect({ ALPNProtocols: ["h2", "http/1.1"] });
  expect(socket.alpnProtocol).toBe("http/1.1");
  socket.destroy();
  await expect(front.connect({ ALPNProtocols: ["h2"] })).rejects.toThrow(/no application protocol/i);
  const preface = await front.ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  expect(preface.status).toBe(400);
});

test("T15: before TLS 1.2 there is no handshake", async () => {
  const old = { minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
  for (const maxVersion of ["TLSv1", "TLSv1.1"] as const)
    await expect(front.connect({ ...old, maxVersion })).rejects.toThrow(/protocol version/i);
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const socket = await front.connect({ minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
    socket.destroy();
  }
});

test.each(["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "DHE-RSA-AES128-GCM-SHA256"])(
  "T15: the suite %s, without authenticated encryption or forward secrecy, is refused",
  async (ciphers) => {
    await expect(front.connect({ maxVersion: "TLSv1.2", ciphers: `${ciphers}:@SECLEVEL=0` })).rejects.toThrow(
      /handshake failure/i,
    );
  },
);

test("T15: OpenSSL agrees: a modern suite, and no renegotiation", async () => {
  const at = `127.0.0.1:${front.street.gateway.address.port}`;
  const talking = run("openssl", ["s_client", "-connect", at, "-servername", own, "-tls1_2", "-brief"]);
  talking.child.stdin?.write("R\n");
  talking.child.stdin?.end();
  const { stderr } = await talking.catch((error: { stderr: string }) => error);
  expect(stderr).toMatch(/Ciphersuite: ECDHE-ECDSA-(?:AES\d+-GCM|CHACHA20)/);
  expect(stderr).toMatch(/no renegotiation/i);
});

test("the host that is asked is the one that was greeted, or the answer is 421", async () => {
  expect((await get("", { servername: `${BOB}.${DOMAIN}` })).status).toBe(421);
  expect((await get("", { servername: "", checkServerIdentity: () => undefined })).status).toBe(421);
  expect((await get("", { servername: own.toUpperCase() })).status).toBe(200);
});

test("a renewed certificate is used by the next handshake, and what is open goes on", async () => {
  const { authority, street } = front;
  const socket = await front.connect();
  const first = certificateOf(socket);
  front.write(await authority.issue([`*.${DOMAIN}`]));
  const present = async () => {
    const probe = await front.connect();
    const certificate = certificateOf(probe);
    probe.destroy();
    return certificate;
  };
  for (const end = Date.now() + 8_000; (await present()) === first; )
    if (Date.now() > end) throw new Error("the new certificate was never used");
  const greetedByNobody = await front.connect({ servername: "", checkServerIdentity: () => undefined });
  expect(certificateOf(greetedByNobody)).toBe(await present());
  greetedByNobody.destroy();
  socket.write(`GET / HTTP/1.1\r\nHost: ${own}\r\nCookie: ${await street.cookie("ada")}\r\n\r\n`);
  expect((await readAnswer(socket)).status).toBe(200);
  socket.destroy();
});

test("by http the redirect's door leads to the same place by https, keeps the method, and knows no other host", async () => {
  const { port = 0 } = front.street.gateway.redirectAddress ?? {};
  const post = await raw(port, `POST /a?b=c HTTP/1.1\r\nHost: 3000--${own}:80\r\nContent-Length: 0\r\n\r\n`);
  expect([post.status, post.header("location")]).toEqual([308, `https://3000--${own}/a?b=c`]);
  for (const host of ["evil.test", `evil.test.${DOMAIN}.evil.test`, "", `a.b.${DOMAIN}`]) {
    const { status } = await raw(port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expect([host, status]).toEqual([host, 404]);
  }
});

test("certificate files that cannot be used keep a gateway from starting, by name", async () => {
  const over = await front.authority.issue([own], Date.now() - 1_000);
  const { certificateFile, keyFile } = front;
  const pair = await front.authority.issue([`*.${DOMAIN}`]);
  const start = async (settings: Record<string, unknown>) => {
    const opened = await openTlsStreet(settings);
    await opened[Symbol.asyncDispose]();
  };
  await expect(start({ tlsKeyFile: `${keyFile}.none` })).rejects.toThrow("key.pem.none could not be read (ENOENT)");
  writeFileSync(`${keyFile}.other`, pair.key);
  await expect(start({ tlsCertificateFile: certificateFile, tlsKeyFile: `${keyFile}.other` })).rejects.toThrow(
    "does not belong to the certificate",
  );
  writeFileSync(`${certificateFile}.over`, over.certificate);
  writeFileSync(`${keyFile}.over`, over.key);
  await expect(start({ tlsCertificateFile: `${certificateFile}.over`, tlsKeyFile: `${keyFile}.over` })).rejects.toThrow(
    "was valid until",
  );
  await expect(start({ tlsKeyFile: "" })).rejects.toThrow("equally many files");
  await expect(start({ publicUrl: `http://${DOMAIN}` })).rejects.toThrow("should be https");
});
