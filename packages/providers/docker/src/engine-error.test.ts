import { fail } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { EngineError, toFailureError } from "./engine-error.ts";

test.each([
  [404, "No such image: gitspaces/vm:latest", "not_found", "never", /bin\/up builds the VM image/],
  [500, "write /var/lib/docker/x: no space left on device", "no_capacity", "later", /is full/],
  [500, "could not find an available, non-overlapping IPv4 address pool", "no_capacity", "later", /is full/],
  [400, "Range of CPUs is from 0.01 to 2.00", "bad_request", "never", /refuses it: Range of CPUs/],
  [409, "volume is in use", "conflict", "later", /volume is in use/],
  [0, "/x.sock: ECONNREFUSED", "vm_unreachable", "later", /Start it, or name its socket in GITSPACES_DOCKER_SOCKET/],
  [0, "/x.sock: EACCES", "denied", "never", /Let this user into the socket's group/],
  [500, "something new", "internal", "later", /\(500\): something new/],
])("%d %j is %s", (status, message, code, retry, words) => {
  expect(toFailureError(new EngineError(status, message), "Making the VM a")).toMatchObject({
    failure: { code, retry, message: expect.stringMatching(words) as unknown },
  });
});

test("what is a failure already, or the end of a caller's patience, stays what it is", () => {
  const ours = fail("conflict", "taken");
  expect(toFailureError(ours, "x")).toBe(ours);
  const late = new DOMException("late", "TimeoutError");
  expect(toFailureError(late, "x")).toBe(late);
});
