// A full disk, for each who keeps something: it says so within 15 s, acknowledges nothing it has not written, and goes on by itself.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Gitspace } from "@gitspaces/contracts";
import { smallDisk, unready } from "./apart.ts";
import { type Daemon, type House, openHouse, until } from "./house.ts";
import { look } from "./scene.ts";

let house: House;
let url: string;

beforeAll(async () => {
  house = await openHouse();
  url = house.repository("small", { "README.md": "small" });
});
const disks = new DisposableStack();
afterAll(async () => {
  disks.dispose();
  await house?.[Symbol.asyncDispose]();
});

const victims = [
  { victim: "control-plane", path: "control-plane.db", tells: ["control-plane"] },
  { victim: "delegate", path: "delegate.db", tells: ["delegate"] },
  { victim: "runner", path: "ca", tells: ["runner"] },
  { victim: "gateway", path: "gateway", tells: ["gateway"] },
  { victim: "redis", path: "redis", tells: ["runner"] },
] as const;

test.each(victims)(
  "I2 I14 E13: a full disk of $victim is told, loses no answer, and is over when there is room",
  async (one) => {
    const { victim, path } = one;
    const tells: readonly Daemon[] = one.tells;
    const disk = disks.use(await smallDisk(house, victim, path, "2m"));
    await allReady();
    const before = house.pids(victim);

    disk.fill();
    const asked = await ask();
    for (const daemon of tells) expect(await unready(house, daemon, /disk|space/i, 30_000)).toBeLessThan(15_000);
    const askedLater = await ask();
    disk.empty();
    for (const daemon of tells) await house.ready(daemon);
    expect(house.pids(victim), "it went on by itself").toEqual(before);

    // What was acknowledged is still there after power was lost.
    const acknowledged = [asked, askedLater].filter((id) => id !== undefined);
    house.signal(victim, "SIGKILL");
    await until("it is started again", 30_000, () => house.pids(victim).some((pid) => !before.includes(pid)));
    await allReady();
    disk.grow();
    for (const id of acknowledged) await house.api.until(id, ["running", "error"]);
    expect((await house.api.create(url)).state).toBe("running");
    await oneAnswerEach();
    for (const { identifier } of await house.api.call<Gitspace[]>("GET", "gitspaces"))
      await house.api.call("DELETE", `gitspaces/${identifier}`);
  },
);

/** Creates and starts; nothing when that was refused, for want of room and for no other reason. */
async function ask(): Promise<string | undefined> {
  try {
    const { identifier } = await house.api.call<Gitspace>("POST", "gitspaces", { code_repo_url: url });
    await house.api.call("POST", `gitspaces/${identifier}/actions`, { action: "start" });
    return identifier;
  } catch (error) {
    if (/ 507 .*"code":"disk_full"/.test(String(error))) return undefined;
    throw error;
  }
}

async function allReady(): Promise<void> {
  for (const daemon of ["control-plane", "delegate", "runner", "gateway"] as const) await house.ready(daemon);
}

/** No task is open, and none was answered differently a second time. */
async function oneAnswerEach(): Promise<void> {
  await until("every task has its answer", 60_000, async () => {
    const { tasks } = await look(house);
    return tasks.every(({ outcome }) => outcome !== null);
  });
  expect((await look(house)).tasks.filter(({ late }) => late > 0)).toEqual([]);
}
