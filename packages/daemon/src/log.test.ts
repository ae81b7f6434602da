import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

/** What a program with a log writes to its standard output. */
function logged(statements: string): string {
  const program = `
    import { createLog } from ${JSON.stringify(new URL("./log.ts", import.meta.url).href)};
    const log = createLog("test");
    ${statements}
  `;
  return execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
}

const lines = (output: string): Record<string, unknown>[] =>
  output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test("fields that hold secrets never reach the log", () => {
  const output = logged(`
    log.info({ token: "canary-1", user: "ada", headers: { authorization: "canary-2", cookie: "canary-3" }, task: { secrets: "canary-4" } }, "asked");
    log.error({ err: new Error("outer", { cause: new Error("inner") }) }, "failed");
    log.warn({ failure: { code: "timeout" } }, "late");
  `);
  expect(output).not.toContain("canary");
  expect(output).toContain('"user":"ada"');
  expect(output).toContain("inner");
  expect(output).toContain('"code":"timeout"');
});

test("of a Redis command that failed the log has the name, never the user and the password, wherever the error stands", () => {
  // As the Redis client makes it when a password is wrong: the command is an enumerable property of the error.
  const output = logged(`
    const refused = () => Object.assign(new Error("WRONGPASS invalid username-password pair or user is disabled."), {
      command: { name: "hello", args: ["3", "AUTH", "canary-user", "canary-password"] },
    });
    log.error({ err: refused() }, "as err");
    log.error(refused(), "as the error itself");
    log.error({ error: refused(), reasons: [refused()] }, "under other names");
    log.error({ err: new Error("outer", { cause: new Error("middle", { cause: refused() }) }) }, "as a cause");
    log.error({ err: new AggregateError([refused()], "all failed") }, "as one of several");
    log.error({ err: Object.assign(new Error("outer"), { lastNodeError: refused() }) }, "on another error");
    log.error({ job: { id: 1, failed: refused() } }, "inside a field");
    log.child({ part: "queue" }).error({ err: refused() }, "by a child");
  `);
  expect(output).not.toContain("canary");
  expect(output.match(/"command":"hello"/g)).toHaveLength(9);
  expect(lines(output)[0]?.["err"]).toMatchObject({
    type: "Error",
    message: expect.stringContaining("WRONGPASS") as string,
    stack: expect.stringContaining("at ") as string,
    command: "hello",
  });
});

test("an error keeps its type, code, fields and causes; one that points at itself does no harm", () => {
  const [line] = lines(
    logged(`
      const error = Object.assign(new TypeError("outer", { cause: new RangeError("inner") }), { code: "ECONNREFUSED", port: 7 });
      error.self = error;
      log.error(error);
    `),
  );
  expect(line).toMatchObject({
    level: "error",
    msg: "outer",
    err: { type: "TypeError", message: "outer", code: "ECONNREFUSED", port: 7, cause: { type: "RangeError" } },
  });
});
