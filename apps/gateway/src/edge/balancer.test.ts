// TLS that ends at a balancer in front: it says how a client came, and http is led to https.
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type RawAnswer, readAnswer } from "../testing/raw-http.ts";
import { ADA, DOMAIN, openStreet, type Street, until } from "../testing/street.ts";

const BALANCER = "127.0.0.2";
let street: Street;
beforeAll(async () => {
  street = await openStreet({ publicUrl: `https://${DOMAIN}`, trustedProxies: `${BALANCER}/32` });
  await street.controlPlane.publish({ gitspaceId: ADA });
  await street.setRoute();
  await until(() => street.gateway.house.access.find(ADA) !== undefined, "the document came");
  await until(() => street.gateway.house.routes.find(ADA) !== undefined, "the route came");
});
afterAll(async () => street[Symbol.asyncDispose]());

async function ask(localAddress: string, ...lines: string[]): Promise<RawAnswer> {
  const socket = connect({ port: street.gateway.address.port, host: "127.0.0.1", localAddress });
  const head = ["GET /a?b HTTP/1.1", `Host: ${ADA}.${DOMAIN}`, `Cookie: ${await street.cookie("ada")}`, ...lines];
  socket.write([...head, "", ""].join("\r\n"));
  const answer = await readAnswer(socket);
  socket.destroy();
  return answer;
}

test("who came to the balancer by https is served, by http led to https", async () => {
  const secure = await ask(BALANCER, "X-Forwarded-Proto: https", "X-Forwarded-For: 7.7.7.7");
  expect([secure.status, secure.header("strict-transport-security")]).toEqual([200, "max-age=31536000"]);
  const { headers } = street.inside.requests.at(-1) ?? {};
  expect([headers?.["x-forwarded-proto"], headers?.["x-forwarded-for"]]).toEqual(["https", "7.7.7.7"]);
  const clear = await ask(BALANCER, "X-Forwarded-Proto: http");
  expect([clear.status, clear.header("location")]).toEqual([308, `https://${ADA}.${DOMAIN}/a?b`]);
});

test("T15: nobody else says how they came: the public URL does", async () => {
  expect((await ask("127.0.0.3", "X-Forwarded-Proto: http")).status).toBe(200);
  expect(street.inside.requests.at(-1)?.headers["x-forwarded-proto"]).toBe("https");
});

test("SSH over a WebSocket comes from the balancer's client, so that all of them do not share one client's room", async () => {
  const { house } = street.gateway;
  const { takeSsh } = house;
  const addresses: string[] = [];
  house.takeSsh = (stream, address) => {
    addresses.push(address);
    stream.destroy();
  };
  for (const [local, told] of [
    [BALANCER, "7.7.7.7"],
    ["127.0.0.3", "8.8.8.8"],
  ] as const) {
    const url = `ws://127.0.0.1:${street.gateway.address.port}/.gitspaces/ssh`;
    const headers = { "X-Forwarded-Proto": "https", "X-Forwarded-For": told };
    const client = new WebSocket(url, { localAddress: local, headers, perMessageDeflate: false });
    await once(client, "close");
  }
  if (takeSsh !== undefined) house.takeSsh = takeSsh;
  expect(addresses).toEqual(["7.7.7.7", "127.0.0.3"]);
});
