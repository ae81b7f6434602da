import { afterAll, beforeAll, expect, test } from "vitest";
import { ADA, DOMAIN, openStreet, type Street } from "./testing/street.ts";

let street: Street;
let origin: string;
beforeAll(async () => {
  street = await openStreet();
  origin = `http://${ADA}.${DOMAIN}:${street.gateway.address.port}`;
});
afterAll(async () => street[Symbol.asyncDispose]());

const ask = (method: string, ...headers: string[]) =>
  street.ask([`${method} /.gitspaces/sign-out HTTP/1.1`, "Host: HOST", ...headers, "", ""].join("\r\n"));

test("the page of a sign-out lets a browser post with its origin, and follow on to the control plane", async () => {
  const page = await ask("GET");
  expect(page.status).toBe(200);
  expect(page.header("Referrer-Policy")).toBe("same-origin");
  expect(page.header("Content-Security-Policy")).toContain(`form-action 'self' ${street.controlPlane.url};`);
});

test("a sign-out from its own page takes the cookie away", async () => {
  const answer = await ask("POST", "Content-Length: 0", `Origin: ${origin}`, `Cookie: ${await street.cookie("ada")}`);
  expect([answer.status, answer.header("Location")]).toEqual([303, street.controlPlane.url]);
  expect(answer.header("Set-Cookie")).toMatch(/^gs-test=; Path=\/; Max-Age=0; HttpOnly; SameSite=Lax$/);
});

test.each(["Origin: null", `Origin: http://other-a1b2c3.${DOMAIN}`, "X-No-Origin: 1"])(
  "a sign-out that comes with %s is refused",
  async (header) => {
    const answer = await ask("POST", "Content-Length: 0", header, `Cookie: ${await street.cookie("ada")}`);
    expect(answer.status).toBe(403);
    expect(answer.header("Set-Cookie")).toBeUndefined();
  },
);
