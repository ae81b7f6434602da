// The doctor, asked as a person asks it, on a house where one thing after the other is ill.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkout } from "../e2e/system.ts";
import { type Daemon, daemons, type House, openHouse, until } from "./house.ts";

type Finding = { part: string; state: "ok" | "wrong" | "unknown"; message: string; cure: string | null };
type Verdict = { code: number; ok: boolean; findings: Finding[]; faults: string[]; text: string };

let house: House;
let gitspace: string;
beforeAll(async () => {
  house = await openHouse();
  const { identifier } = await house.api.create(house.repository("patient", { "README.md": "well" }));
  gitspace = identifier;
});
afterAll(async () => {
  await house?.[Symbol.asyncDispose]();
});

/** Runs the command as it is shipped; nobody is signed in, so that the data folder alone says where to look. */
async function ask(...more: string[]): Promise<Verdict> {
  const args = ["doctor", "--data", house.data, "--json", ...more];
  const [code, text] = await new Promise<[number, string]>((resolve) => {
    const env = { PATH: process.env["PATH"], HOME: house.data };
    execFile(join(checkout, "bin/gitspaces"), args, { env, timeout: 120_000 }, (error, stdout, stderr) => {
      resolve([
        typeof error?.code === "number" ? error.code : error === null ? 0 : -1,
        stdout === "" ? stderr : stdout,
      ]);
    });
  });
  const said = JSON.parse(text) as { ok: boolean; findings: Finding[] };
  const faults = said.findings.filter(({ state }) => state === "wrong").map(({ part }) => part);
  return { code, ...said, faults, text };
}

async function isWell(): Promise<boolean> {
  return (await ask()).ok;
}

/** The finding about a part; fails when there is none that is wrong. */
function fault({ findings, text }: Verdict, part: string): Finding & { cure: string } {
  const found = findings.find((each) => each.part === part && each.state === "wrong");
  if (found?.cure == null) throw new Error(`the doctor does not name ${part}: ${text}`);
  return { ...found, cure: found.cure };
}

test("I14: a house that is well is found well, every hop by a round trip", async () => {
  await until("all is well", 60_000, isWell);
  const verdict = await ask();
  expect(verdict).toMatchObject({ code: 0, ok: true, faults: [] });
  const said = (part: string) =>
    verdict.findings.flatMap((each) => (each.part === part && each.state === "ok" ? [each.message] : [])).join("; ");
  expect(said("API")).toContain(house.system.up.ui);
  expect(said("delegate")).toMatch(/slots free/);
  expect(said("runner")).toMatch(/back in \d+ ms/);
  expect(said("pool default")).toMatch(/\d+ of \d+ warm/);
  expect(said("gateway")).toMatch(/heard of \d+ s ago, \d+ routes?/);
  expect(said("agent")).toContain(gitspace);
  for (const part of ["supervisor", "redis", "control plane", "VM network", "image"]) expect(said(part)).not.toBe("");
});

test("I14: a trial start makes a Gitspace, sees it run and leaves none behind", async () => {
  const verdict = await ask("--start", house.repository("trial", { "README.md": "try" }));
  expect(verdict).toMatchObject({ code: 0, ok: true });
  expect(verdict.findings.at(-1)).toMatchObject({ part: "start", state: "ok" });
  const others = async () =>
    (await house.api.call<{ identifier: string }[]>("GET", "gitspaces")).filter((each) => each.identifier !== gitspace);
  await until("the trial is gone", 60_000, async () => (await others()).length === 0);
  const failing = await ask("--start", `http://${house.system.up.host_address}:9/none.git`);
  expect(failing).toMatchObject({ code: 1, faults: ["start"] });
  await until("the failed trial is gone", 60_000, async () => (await others()).length === 0);
});

const partOf = (victim: Daemon | "redis") => victim.replace("-", " ");

test.each([...daemons, "redis"] as const)(
  "I14: a paused %s is named, with the command that lets it go on",
  async (victim) => {
    const [pid] = house.pids(victim);
    house.signal(victim, "SIGSTOP");
    try {
      const verdict = await ask();
      expect(verdict).toMatchObject({ code: 1, ok: false });
      expect(fault(verdict, partOf(victim))).toMatchObject({
        message: expect.stringContaining("paused"),
        cure: expect.stringContaining(`kill -CONT ${pid}`),
      });
    } finally {
      house.signal(victim, "SIGCONT");
    }
    await until(`all is well after ${victim} was let go on`, 60_000, isWell);
  },
);

test("I14: with nobody to restart it, each daemon that is gone is named, with what to do and which log to read", async () => {
  const { pid: supervisor } = JSON.parse(readFileSync(join(house.data, "up.json"), "utf8")) as { pid: number };
  const named: Record<string, string> = {};
  for (const victim of [...daemons, "redis"] as const) {
    process.kill(supervisor, "SIGSTOP");
    try {
      house.signal(victim, "SIGKILL");
      const verdict = await ask();
      expect(verdict.code).toBe(1);
      expect(fault(verdict, "supervisor").cure).toBe(`Let it go on: kill -CONT ${supervisor}`);
      const found = fault(verdict, partOf(victim));
      expect(found.message).toContain("gone");
      named[victim] = found.cure;
    } finally {
      process.kill(supervisor, "SIGCONT");
    }
    await until(`all is well after ${victim} was killed`, 90_000, isWell);
  }
  for (const [victim, cure] of Object.entries(named)) expect(cure).toContain(join(house.data, "logs", `${victim}.log`));
});

test("I14: whoever is no administrator is told only that the API answers", async () => {
  await house.api.call("POST", "users", { identifier: "ada", display_name: "Ada", email: "ada@example.test" });
  const { token } = await house.api.call<{ token: string }>("POST", "tokens", { name: "t", user_identifier: "ada" });
  const path = new URL("/api/v1/installation/health", house.system.up.ui);
  const answer = await fetch(path, { headers: { authorization: `Bearer ${token}` } });
  expect(answer.status).toBe(403);
  expect((await fetch(path)).status).toBe(401);
});
