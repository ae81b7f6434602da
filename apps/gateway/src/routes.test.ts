import type { Route, RouteChange } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { Routes } from "./routes.ts";

function route(generation: number, instanceId = `vm-${generation}`): Route {
  return { gitspaceId: "hello-k3v9x2", generation, instanceId, address: "10.0.0.1", port: 8083, keyFingerprint: "f" };
}
const set = (generation: number, instanceId?: string): RouteChange => ({
  change: "set",
  route: route(generation, instanceId),
});
const removed = (generation: number): RouteChange => ({ change: "removed", gitspaceId: "hello-k3v9x2", generation });

test.each([
  ["a first route counts", [set(1)], "vm-1"],
  ["a higher generation replaces", [set(1), set(2)], "vm-2"],
  ["a lower one does not", [set(2), set(1)], "vm-2"],
  ["another VM under the same generation does", [set(1), set(1, "vm-1b")], "vm-1b"],
  ["a removal removes", [set(1), removed(1)], undefined],
  ["a removal of an older generation does not", [set(2), removed(1)], "vm-2"],
  ["a route older than a removal stays away", [set(1), removed(2), set(1)], undefined],
  ["a later one comes", [set(1), removed(1), set(2)], "vm-2"],
] as const)("%s", (_claim, changes, instanceId) => {
  const routes = new Routes();
  for (const change of changes) routes.apply(change);
  expect(routes.find("hello-k3v9x2")?.route.instanceId).toBe(instanceId);
});

test("whoever used a route learns that it ended, and only then", () => {
  const routes = new Routes();
  routes.apply(set(1));
  const first = routes.find("hello-k3v9x2");
  routes.apply(set(1));
  expect(first?.ended.aborted).toBe(false);
  routes.apply(set(2));
  expect(first?.ended.aborted).toBe(true);
  expect(routes.find("hello-k3v9x2")?.ended.aborted).toBe(false);
});

test("a listing removes what it lacks, but does not undo what changed while it was read", () => {
  const routes = new Routes();
  routes.apply(set(1));
  const { moment } = routes;
  routes.apply(set(2));
  routes.replaceAll([route(1)], moment);
  expect(routes.find("hello-k3v9x2")?.route.generation).toBe(2);
  routes.replaceAll([], moment);
  expect(routes.size).toBe(1);
  routes.replaceAll([], routes.moment);
  expect(routes.size).toBe(0);
});
