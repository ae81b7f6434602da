import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { keptRunning } from "./init.ts";

type Kept = { child: ChildProcess; lines: AsyncIterator<string>; ended: Promise<unknown[]> };

/** A stand-in for the agent, kept running; it says its pid, then sleeps unless `ending` ends it. */
function keep(ending: string, first = "echo $$"): Kept {
  const [program, ...args] = keptRunning(["/bin/sh", "-c", `${first}; ${ending}`]);
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], detached: true });
  return {
    child,
    lines: createInterface({ input: child.stdout })[Symbol.asyncIterator](),
    ended: once(child, "exit"),
  };
}
async function said({ lines }: Kept): Promise<string> {
  return ((await lines.next()) as { value: string }).value;
}

test("E1: an agent that is killed is started again, at first at once", async () => {
  const kept = keep("exec sleep 60");
  const first = Number(await said(kept));
  process.kill(first, "SIGKILL");
  expect(await said(kept)).toBe("the agent ended with 137; it starts again in 0 s");
  const second = Number(await said(kept));
  expect(second).not.toBe(first);
  process.kill(second, "SIGKILL");
  expect(await said(kept)).toBe("the agent ended with 137; it starts again in 1 s");
  process.kill(Number(await said(kept)), "SIGKILL");
  expect(await said(kept)).toBe("the agent ended with 137; it starts again in 3 s");
  // In the middle of its pause it leaves at once as well.
  kept.child.kill("SIGTERM");
  expect(await kept.ended).toEqual([0, null]);
});

test("an agent that ended well, or was told to end, is not started again", async () => {
  const well = keep("exit 0");
  expect(await well.ended).toEqual([0, null]);
  const told = keep(`while :; do sleep 0.02; done`, `trap 'echo told; exit 5' TERM; echo $$`);
  await said(told);
  told.child.kill("SIGTERM");
  expect(await said(told)).toBe("told");
  expect(await told.ended).toEqual([5, null]);
});

test("an agent is told once that it should end", async () => {
  for (let round = 0; round < 12; round++) {
    const kept = keep(`while :; do sleep 0.02; done`, `trap 'echo told; sleep 0.05; exit 0' TERM; echo $$`);
    await said(kept);
    kept.child.kill("SIGTERM");
    const heard: string[] = [];
    for (let line = await kept.lines.next(); line.done !== true; line = await kept.lines.next()) heard.push(line.value);
    expect(heard).toEqual(["told"]);
    expect(await kept.ended).toEqual([0, null]);
  }
});
