// Memory that runs out: the daemon ends, its supervisor starts it again, and no task is left without an answer.
import { execFileSync } from "node:child_process";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Gitspace } from "@gitspaces/contracts";
import { isAlive } from "./apart.ts";
import { type Daemon, daemons, type House, openHouse, until } from "./house.ts";
import { look } from "./scene.ts";

let house: House;
let url: string;
const pressing: Socket[] = [];

beforeAll(async () => {
  house = await openHouse();
  url = house.repository("memory", { "README.md": "memory" });
});
afterAll(async () => await house?.[Symbol.asyncDispose]());

test.each(daemons)(
  "I2 I14 E17: %s ends for want of memory in the middle of a start, comes back, and every task is answered",
  async (daemon) => {
    const [pid] = house.pids(daemon) as [number];
    const { identifier } = await house.api.call<Gitspace>("POST", "gitspaces", { code_repo_url: url });
    await house.api.call("POST", `gitspaces/${identifier}/actions`, { action: "start" });
    // From now on nothing more is given to it, as on a machine that has no more.
    execFileSync("prlimit", ["--pid", String(pid), "--as=1048576:"]);
    await until("it has ended and was started again", 60_000, async () => {
      if (!isAlive(pid)) return house.pids(daemon).some((each) => each !== pid);
      await press(daemon);
      return false;
    });
    for (const socket of pressing.splice(0)) socket.destroy();
    for (const each of daemons) await house.ready(each, 60_000);

    await house.api.until(identifier, ["running", "error"]);
    if ((await house.api.call<Gitspace>("GET", `gitspaces/${identifier}`)).state === "error")
      await house.api.start(identifier);
    await until("every task has its answer", 60_000, async () => (await openTasks()).length === 0);
    expect((await house.api.call<Gitspace>("GET", `gitspaces/${identifier}`)).state).toBe("running");
    await house.api.call("DELETE", `gitspaces/${identifier}`);
  },
);

/** Two hundred more connections, each with a long head that never ends: what has come so far has to be kept. */
async function press(daemon: Daemon): Promise<void> {
  const port = house.system.ready.ports[`${daemon.replace("-", "_")}_admin`] as number;
  for (let number = 0; number < 200; number++) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => socket.destroy());
    socket.write(`GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Long: ${"x".repeat(12_000)}`);
    pressing.push(socket);
  }
  await sleep(50);
}

async function openTasks() {
  return (await look(house)).tasks.filter(({ outcome }) => outcome === null);
}
