// A clock an hour off, for each daemon in turn and in both directions. The machine's monotonic clock stays right, as it would.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Gitspace } from "@gitspaces/contracts";
import { idePage } from "../e2e/session.ts";
import { apart } from "./apart.ts";
import { type Daemon, daemons, type House, openHouse, until } from "./house.ts";
import { look } from "./scene.ts";
import { violations } from "./verdict.ts";

let house: House;
let url: string;
const created = new Map<string, "gone" | "running">();

beforeAll(async () => {
  house = await openHouse();
  url = house.repository("time", { "README.md": "time" });
});
afterAll(async () => await house?.[Symbol.asyncDispose]());

const turns: [Daemon, string][] = [
  ["delegate", "+1h"],
  ["delegate", "-1h"],
  ["runner", "+1h"],
  ["runner", "-1h"],
  ["gateway", "+1h"],
  ["gateway", "-1h"],
  ["control-plane", "+1h"],
];

test.each(turns)(
  "I1 I8 I9 E12: with the clock of %s off by %s a start and a sign-in work, and nothing runs out early",
  async (daemon, offset) => {
    await using _ = await off(daemon, offset);
    expect(await minutesOff(daemon), "its clock is off indeed").toBe(offset === "+1h" ? 60 : -60);
    const { identifier } = await start();
    const { state, instance } = await house.api.until(identifier, ["running", "error"]);
    expect({ state, why: instance?.error_message ?? null }).toEqual({ state: "running", why: null });
    expect((await idePage(house.system, house.api, identifier)).status).toBe(200);
    created.set(identifier, "running");
    const scene = await look(house);
    expect(violations(scene, created, scene.warm.length).filter((each) => each.startsWith("I6"))).toEqual([]);
    expect(scene.tasks.filter(({ outcome }) => outcome === "timeout")).toEqual([]);
    await remove(identifier);
  },
);

// Tasks are signed with their deadline, which the VM judges by its own clock: nobody in between may prolong it.
test("I9 E12: with the clock of the control plane an hour behind a start ends with an error that names the clocks", async () => {
  await using _ = await off("control-plane", "-1h");
  expect(await minutesOff("control-plane")).toBe(-60);
  const { identifier } = await start();
  const { state, instance } = await house.api.until(identifier, ["running", "error"]);
  expect(state).toBe("error");
  expect(instance?.error_message).toMatch(/clocks of control plane and VM disagree/);
  await remove(identifier);
});

async function off(daemon: Daemon, offset: string): Promise<AsyncDisposable> {
  const held = await apart(house, daemon, {
    env: { LD_PRELOAD: faketime(), FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: "1" },
  });
  for (const each of daemons) await house.ready(each);
  return held;
}

async function start(): Promise<Gitspace> {
  const gitspace = await house.api.call<Gitspace>("POST", "gitspaces", { code_repo_url: url });
  await house.api.call("POST", `gitspaces/${gitspace.identifier}/actions`, { action: "start" });
  return gitspace;
}

async function remove(id: string): Promise<void> {
  await house.api.call("DELETE", `gitspaces/${id}`);
  await until("it is gone", 60_000, async () => {
    const answer = await fetch(new URL(`/api/v1/gitspaces/${id}`, house.system.up.ui), {
      headers: { authorization: `Bearer ${house.system.adminToken}` },
    });
    return answer.status === 404;
  });
  created.set(id, "gone");
}

/** By the time that its answers carry. */
async function minutesOff(daemon: Daemon): Promise<number> {
  const port = house.system.ready.ports[`${daemon.replace("-", "_")}_admin`];
  const { headers } = await fetch(`http://127.0.0.1:${port}/readyz`);
  return Math.round((Date.parse(headers.get("date") ?? "") - Date.now()) / 60_000);
}

function faketime(): string {
  const found = readdirSync("/usr/lib", { withFileTypes: true })
    .map((folder) => join("/usr/lib", folder.name, "faketime", "libfaketimeMT.so.1"))
    .find((file) => existsSync(file));
  if (found === undefined) throw new Error("libfaketime is not installed: apt-get install faketime");
  return found;
}
