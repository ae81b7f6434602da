import { expect, test } from "vitest";
import { AgentMetadata, TaskStreamLine } from "./agent-api.ts";
import { FailureError, parse } from "./failure.ts";
import { PoolFile } from "./pool-file.ts";
import { CreateGitspace } from "./public-api.ts";
import { redisKeys } from "./redis-keys.ts";
import { Route, RouteChange } from "./route.ts";

const fieldOf = (work: () => unknown): string | undefined => {
  try {
    work();
  } catch (error) {
    return error instanceof FailureError ? error.failure.field : undefined;
  }
  return undefined;
};
const route = {
  gitspaceId: "hello-k3v9x2",
  generation: 1,
  instanceId: "default-a",
  address: "10.74.0.2",
  port: 8083,
  keyFingerprint: "k",
};

test.each([
  ["address", { ...route, address: "localhost" }],
  ["address", { ...route, address: "10.74.0.2:80" }],
  ["address", { ...route, address: "" }],
  ["port", { ...route, port: 0 }],
  ["port", { ...route, port: 65_536 }],
])("a route's %s is never a name nor out of range: %j", (field, wrong) => {
  expect(fieldOf(() => parse(Route, wrong, "route"))).toBe(field);
});

test("a change of routes reads back", () => {
  for (const change of [
    { change: "set", route },
    { change: "removed", gitspaceId: "hello-k3v9x2", generation: 2 },
  ]) {
    expect(RouteChange.parse(JSON.parse(JSON.stringify(change)))).toEqual(change);
  }
});

test.each([
  ["enrolUrl", { enrolUrl: "http://10.74.0.1:7404" }],
  ["caFingerprint", { caFingerprint: "abc" }],
  ["token", { token: "short" }],
  ["instanceId", { instanceId: "../x" }],
])("metadata with a wrong %s is refused", (field, wrong) => {
  const metadata = {
    enrolUrl: "https://10.74.0.1:7404",
    caFingerprint: "a".repeat(64),
    token: "t".repeat(43),
    instanceId: "default-a",
  };
  expect(parse(AgentMetadata, metadata, "metadata")).toEqual(metadata);
  expect(fieldOf(() => parse(AgentMetadata, { ...metadata, ...wrong }, "metadata"))).toBe(field);
});

test("a stream's line is an event, an answer or a ping, and nothing between", () => {
  expect(TaskStreamLine.safeParse({ ping: 1 }).success).toBe(true);
  expect(TaskStreamLine.safeParse({ ping: 1, event: {} }).success).toBe(false);
  expect(TaskStreamLine.safeParse({}).success).toBe(false);
});

test.each([
  ["code_repo_url", { code_repo_url: "file:///etc" }],
  ["branch", { code_repo_url: "https://a.example/b", branch: "-x" }],
  ["name", { code_repo_url: "https://a.example/b", name: "  " }],
  ["ide", { code_repo_url: "https://a.example/b", ide: "emacs" }],
  ["resource_identifier", { code_repo_url: "https://a.example/b", resource_identifier: "Big Machine" }],
])("a Gitspace with a wrong %s is refused by that field", (field, body) => {
  expect(fieldOf(() => parse(CreateGitspace, body, "gitspace"))).toBe(field);
});

test("a pool file with both spellings of one thing is refused where the second stands", () => {
  const file = { version: "1", instances: [{ name: "a", type: "process", max: 3, limit: 3 }] };
  expect(fieldOf(() => parse(PoolFile, file, "pool.yml"))).toBe("instances[0].limit");
});

test("every key of ours is under the one prefix that access rules are written for", () => {
  for (const key of Object.values(redisKeys)) expect(key("x")).toMatch(/^gs:(?:[a-z-]+:)+x/);
});
