import { fail } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { createLog } from "./log.ts";
import { retryUntil } from "./retry.ts";

const log = createLog("test", "error");
const { signal } = new AbortController();

test("work is repeated until it succeeds", async () => {
  let tries = 0;
  const work = async () => {
    if (++tries < 3) throw new Error("not yet");
    return tries;
  };
  await expect(retryUntil(work, { signal, deadlineMs: 5_000, log, what: "Redis", firstMs: 1 })).resolves.toBe(3);
});

test("a failure that says never is not repeated", async () => {
  let tries = 0;
  const work = async () => {
    tries++;
    throw fail("denied", "no");
  };
  await expect(retryUntil(work, { signal, deadlineMs: 5_000, log, what: "Redis", firstMs: 1 })).rejects.toThrow("no");
  expect(tries).toBe(1);
});

test("the deadline's failure says what was waited for and why it was not there", async () => {
  const work = () => Promise.reject(new Error("ECONNREFUSED"));
  const waiting = retryUntil(work, { signal, deadlineMs: 30, log, what: "Redis", firstMs: 5 });
  await expect(waiting).rejects.toMatchObject({
    failure: { code: "timeout", message: expect.stringMatching(/^Redis was not there.*ECONNREFUSED/) },
  });
});

test("an abort ends the wait at once", async () => {
  const stop = new AbortController();
  const waiting = retryUntil(() => Promise.reject(new Error("away")), {
    signal: stop.signal,
    deadlineMs: 60_000,
    log,
    what: "Redis",
    firstMs: 60_000,
  });
  setTimeout(() => stop.abort(), 10);
  await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
});
