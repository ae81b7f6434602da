// What the gateways' token is good for: following access and reporting, and nothing that a person does.
import { afterAll, beforeAll, expect, test } from "vitest";
import { testControlPlane, type TestControlPlane } from "../testing/control-plane.ts";

let plane: TestControlPlane;
let id: string;
beforeAll(async () => {
  plane = await testControlPlane();
  const made = await plane.call("POST", "/api/v1/gitspaces", { code_repo_url: "https://git.example.com/a/hello" });
  id = ((await made.json()) as { identifier: string }).identifier;
});
afterAll(() => plane[Symbol.asyncDispose]());

test.each([
  ["GET", "/api/v1/gitspaces", undefined],
  ["POST", "/api/v1/gitspaces", { code_repo_url: "https://git.example.com/a/hello" }],
  ["POST", "/api/v1/gitspaces/ID/actions", { action: "start" }],
  ["DELETE", "/api/v1/gitspaces/ID", undefined],
  ["PUT", "/api/v1/gitspaces/ID/visibility/3000", { visibility: "public" }],
  ["POST", "/api/v1/gitspaces/ID/shares", { port: 3000 }],
  ["POST", "/api/v1/access-tokens", { name: "x" }],
  ["POST", "/api/v1/tokens", { name: "x" }],
  ["POST", "/api/v1/sign-in-links", {}],
])("T27: with a gateway's token %s %s is refused", async (method, path, body) => {
  const headers = { authorization: `Bearer ${plane.gatewayToken}` };
  expect((await plane.call(method, path.replace("ID", id), body, headers)).status).toBe(401);
});

test("T27: the same token follows access, and nobody else's does", async () => {
  const status = async (token: string) => {
    const reports = { reports: [] };
    return (await plane.call("POST", "/api/gateway/v1/reports", reports, { authorization: `Bearer ${token}` })).status;
  };
  expect([await status(plane.gatewayToken), await status(plane.adminToken)]).toEqual([200, 401]);
});
