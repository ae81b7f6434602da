import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

test("fields that hold secrets never reach the log", () => {
  const program = `
    import { createLog } from ${JSON.stringify(new URL("./log.ts", import.meta.url).href)};
    const log = createLog("test");
    log.info({ token: "canary-1", user: "ada", headers: { authorization: "canary-2", cookie: "canary-3" }, task: { secrets: "canary-4" } }, "asked");
    log.error({ err: new Error("outer", { cause: new Error("inner") }) }, "failed");
    log.warn({ failure: { code: "timeout" } }, "late");
  `;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
  expect(output).not.toContain("canary");
  expect(output).toContain('"user":"ada"');
  expect(output).toContain("inner");
  expect(output).toContain('"code":"timeout"');
});
