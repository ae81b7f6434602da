import { afterAll, beforeAll, expect, test } from "vitest";
import { ADA, openStreet, type Street, until } from "./testing/street.ts";

let street: Street;
let cookie: string;
beforeAll(async () => {
  street = await openStreet();
  cookie = await street.cookie("ada");
});
afterAll(async () => street[Symbol.asyncDispose]());

type State = "starting" | "running";
async function publish(state: State, generation: number): Promise<void> {
  await street.controlPlane.publish({ gitspaceId: ADA, state, generation });
  await until(() => {
    const known = street.gateway.house.access.find(ADA);
    return known?.state === state && known.generation === generation;
  }, `the Gitspace is ${state}`);
}
async function route(generation: number): Promise<void> {
  await street.setRoute({ generation });
  await until(() => street.gateway.house.routes.find(ADA)?.route.generation === generation, "the route is known");
}
const visit = (...headers: string[]) =>
  street.ask(
    ["GET / HTTP/1.1", "Host: HOST", `Cookie: ${cookie}`, "Accept: text/html", ...headers, "", ""].join("\r\n"),
  );

test("a navigation that comes a moment before the news of the start's end gets the Gitspace and no page", async () => {
  await publish("starting", 1);
  await route(1);
  const visiting = visit();
  await street.controlPlane.publish({ gitspaceId: ADA, state: "running", generation: 1 });
  expect(await visiting).toMatchObject({ status: 200, body: "inside" });
});

test("a start that goes on is told after a moment, and to what a page fetches at once", async () => {
  await publish("starting", 2);
  await route(2);
  const since = performance.now();
  expect((await visit("Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty")).status).toBe(503);
  expect(performance.now() - since).toBeLessThan(1_000);
  const page = await visit();
  expect([page.status, page.body.includes("is starting")]).toEqual([503, true]);
  expect(performance.now() - since).toBeLessThan(4_000);
});

test("without the new VM's route nobody waits, and a stranger learns nothing by waiting", async () => {
  await publish("starting", 3);
  const since = performance.now();
  expect((await visit()).status).toBe(503);
  await route(3);
  cookie = await street.cookie("bob");
  expect((await visit()).status).toBe(404);
  expect(performance.now() - since).toBeLessThan(1_000);
});
