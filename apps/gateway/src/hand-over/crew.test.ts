import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Crew, identify, isAlive, type Member, tooOld } from "./crew.ts";

const member = (pid: number, role: Member["role"], since: number): Member => ({ pid, started: "b/1", role, since });

test("only old processes can be too many, and the oldest go first", () => {
  const members = [member(4, "old", 40), member(2, "old", 20), member(9, "current", 1), member(3, "old", 30)];
  const pids = (most: number) => tooOld(members, most).map(({ pid }) => pid);
  expect([pids(3), pids(2), pids(0)]).toEqual([[], [2], [2, 3, 4]]);
});

test("a process of the crew is known while it lives; who is dead, or has a dead one's pid, is not of it", async () => {
  const data = mkdtempSync(join(tmpdir(), "crew-"));
  const crew = new Crew(data);
  expect(crew.others()).toEqual([]);
  crew.tell("current");
  const child = spawn("sleep", ["60"]);
  const identity = identify(child.pid ?? 0);
  const folder = join(data, "gateway", "processes");
  const file = join(folder, `${child.pid}.json`);
  writeFileSync(file, JSON.stringify({ ...identity, role: "old", since: 1 }));
  writeFileSync(join(folder, "7.json"), "{ half");
  expect(crew.others()).toEqual([{ ...identity, role: "old", since: 1 }]);
  writeFileSync(file, JSON.stringify({ ...identity, started: "another", role: "old", since: 1 }));
  expect([crew.others(), readdirSync(folder).includes(`${child.pid}.json`)]).toEqual([[], false]);
  child.kill();
  await once(child, "exit");
  expect(isAlive({ pid: child.pid ?? 0, started: identity?.started ?? "" })).toBe(false);
  crew.forget();
  expect(readdirSync(folder)).toEqual(["7.json"]);
  rmSync(data, { recursive: true });
});
