// An address is used again by the next VM while the gateway, frozen meanwhile, still has routes and sockets of the last one.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openHouse, until } from "./house.ts";
import { person } from "./life.ts";
import { look } from "./scene.ts";
import { Balanced } from "./second-gateway.ts";

const SWAPS = 4;
const pool = `version: "1"
instances:
  - name: default
    default: true
    type: process
    warm: 0
    max: 1
`;
const settings = {
  GITSPACES_SWEEP_MS: "1000",
  GITSPACES_LOOK_EVERY_MS: "2000",
  GITSPACES_DELETE_GRACE_MS: "0",
};

/** A repository whose server says which Gitspace it is in, and tells of each request that names another host. */
const sentinel = (name: string) => ({
  "README.md": `# ${name}\n`,
  "serve.mjs": `import { createServer } from "node:http";
import { appendFileSync } from "node:fs";
createServer((request, answer) => {
  appendFileSync(process.env.HOME + "/hosts", request.headers.host + "\\n");
  answer.end("in ${name}");
}).listen(3000);\n`,
  ".devcontainer.json": JSON.stringify({ postStartCommand: "setsid node serve.mjs & sleep 0.3" }),
});

/** Whether a Gitspace's own server wrote this; the gateway's pages have words of their own. */
const isSentinels = (body: string) => /^in (?:one|two)$/.test(body);

test("I5 E5: a new VM at the address of the last one gets no byte that was meant for that", {
  timeout: 180_000,
}, async () => {
  await using house = await openHouse({ env: settings, pool });
  const someone = person(house);
  const port = house.system.portBase + 1;
  const names = ["one", "two"];
  const ids = await Promise.all(names.map((name) => someone.create(house.repository(name, sentinel(name)))));
  const browser = new Balanced();
  const page = async (index: number) => {
    const { body, status } = await browser.follow(`http://3000--${ids[index]}.gitspaces.localhost:${port}/`, port);
    return { status, body };
  };
  const vmNow = async () => {
    const [vm, ...others] = (await look(house)).vms.filter(({ gitspace }) => gitspace !== null);
    expect(others).toEqual([]);
    const folder = join(house.data, "vms", vm?.id ?? "");
    const record = JSON.parse(readFileSync(join(folder, "record.json"), "utf8")) as {
      slot: number;
      process: { pid: number };
    };
    return { id: vm?.id ?? "", folder, ...record };
  };
  await house.api.start(ids[0] ?? "");
  const slots = new Set<number>();
  for (let swap = 0; swap < SWAPS; swap++) {
    const [last, next] = swap % 2 === 0 ? [0, 1] : [1, 0];
    await browser.follow(await house.api.signInLink(ids[last] ?? ""), port);
    expect((await page(last)).body).toBe(`in ${names[last]}`);
    // Several at once leave several sockets open.
    const before = await Promise.all(Array.from({ length: 4 }, () => page(last)));
    expect(before.map(({ body }) => body)).toEqual(Array(4).fill(`in ${names[last]}`));
    const old = await vmNow();
    slots.add(old.slot);

    house.signal("gateway", "SIGSTOP");
    process.kill(-old.process.pid, "SIGKILL");
    await until("the old VM's place is free", 60_000, async () =>
      (await look(house)).vms.every(({ id }) => id !== old.id),
    );
    // An address rests long before it is given again; here it does not.
    writeFileSync(join(house.data, "vms", ".last-slot"), String(old.slot - 1));
    await someone.ask(ids[next] ?? "", "start");
    await until("a new VM has its route", 60_000, async () =>
      (await look(house)).routes.some(({ gitspace }) => gitspace === ids[next]),
    );
    const asked = Promise.all(Array.from({ length: 8 }, () => page(last)));
    house.signal("gateway", "SIGCONT");
    for (const { body, status } of await asked)
      expect([status >= 400 || status === 200, isSentinels(body)]).toEqual([true, false]);

    expect((await someone.outcome(ids[next] ?? "")).state).toBe("running");
    const now = await vmNow();
    await until(`${ids[next]} answers`, 20_000, async () => {
      await browser.follow(await house.api.signInLink(ids[next] ?? ""), port);
      return (await page(next)).body === `in ${names[next]}`;
    });
    expect(isSentinels((await page(last)).body)).toBe(false);
    const hosts = readFileSync(join(now.folder, "home", "dev", "hosts"), "utf8")
      .trim()
      .split("\n");
    expect(hosts.filter((host) => !host.startsWith(`3000--${ids[next]}.`))).toEqual([]);
    await until(
      `${ids[last]} is stopped`,
      60_000,
      async () => (await someone.stateOf(ids[last] ?? "")).state === "stopped",
    );
  }
  expect(slots.size).toBe(1);
});
