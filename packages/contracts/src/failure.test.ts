import { expect, test } from "vitest";
import { z } from "zod";
import { Failure, failureCodes, failure, fail, httpStatus, parse, Problem, toFailure, toProblem } from "./failure.ts";

test.each(failureCodes)("%s has an HTTP status of an error and a problem that reads back", (code) => {
  expect(httpStatus(code)).toBeGreaterThanOrEqual(400);
  expect(httpStatus(code)).toBeLessThan(600);
  const problem = toProblem(failure(code, "words", { field: "f", details: { n: 1 } }));
  expect(Problem.parse(JSON.parse(JSON.stringify(problem)))).toEqual(problem);
  expect(problem).toMatchObject({ status: httpStatus(code), detail: "words", code, field: "f" });
});

test("an unknown error becomes internal and keeps its text at home", () => {
  const crossed = toFailure(new Error("password is hunter2"));
  expect(crossed.code).toBe("internal");
  expect(JSON.stringify(crossed)).not.toContain("hunter2");
});

test("a failure crosses as it is, its cause does not", () => {
  const error = fail("quota_exceeded", "no more CPUs", { cause: new Error("project 123"), retry: "elsewhere" });
  expect(error.cause).toBeInstanceOf(Error);
  expect(toFailure(error)).toEqual({ code: "quota_exceeded", message: "no more CPUs", retry: "elsewhere" });
  expect(Failure.parse(toFailure(error))).toEqual(toFailure(error));
});

test("who may try again is said by the code unless somebody knows better", () => {
  expect(failure("bad_request", "x").retry).toBe("never");
  expect(failure("no_capacity", "x").retry).toBe("later");
  expect(failure("no_capacity", "x", { retry: "never" }).retry).toBe("never");
});

test("wrong input names the deepest field of the nearest branch", () => {
  const schema = z.union([
    z.strictObject({ event: z.strictObject({ seq: z.number() }) }),
    z.strictObject({ ping: z.number() }),
  ]);
  expect(() => parse(schema, { event: { seq: "one" } }, "line")).toThrow(
    expect.objectContaining({
      name: "FailureError",
      message: expect.stringContaining("line: event.seq:") as string,
      failure: expect.objectContaining({ code: "bad_request", field: "event.seq" }) as object,
    }),
  );
});
