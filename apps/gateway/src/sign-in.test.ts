import { expect, test } from "vitest";
import { safeTarget } from "./sign-in.ts";

test.each([
  ["/", "/"],
  ["/?folder=/work&x=%2F", "/?folder=/work&x=%2F"],
  ["/a//b", "/a//b"],
  [null, "/"],
  ["", "/"],
  ["//evil.test", "/"],
  ["/\\evil.test", "/"],
  ["\\/evil.test", "/"],
  ["https://evil.test/", "/"],
  ["javascript:alert(1)", "/"],
  ["/.//evil.test", "/"],
  ["/..//evil.test/", "/"],
  ["/\t/evil.test", "/"],
  ["/a\r\nSet-Cookie: x=y", "/"],
  ["/.gitspaces/sign-in?code=x", "/"],
  ["/x/../.gitspaces/sign-out", "/"],
])("after sign-in, %j leads to %s", (to, target) => {
  expect(safeTarget(to)).toBe(target);
});
