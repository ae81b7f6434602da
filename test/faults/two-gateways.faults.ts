// Two gateways serve one installation: what one knows the other knows, and either may die.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { GITSPACE_HEADER } from "@gitspaces/contracts";
import { clientTls, enrol, type TlsIdentity } from "@gitspaces/daemon/certificates";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type House, openHouse, until } from "./house.ts";
import { person } from "./life.ts";
import { look } from "./scene.ts";
import { Balanced, openSecondGateway, type SecondGateway } from "./second-gateway.ts";

const files = {
  "README.md": "# two\n",
  ".devcontainer.json": JSON.stringify({
    onCreateCommand: "echo begun >> ~/created; sleep 4; echo ended >> ~/created",
  }),
};
let house: House;
let second: SecondGateway;
let one: number;
let id: string;
beforeAll(async () => {
  house = await openHouse({ env: { GITSPACES_SWEEP_MS: "2000" } });
  second = await openSecondGateway(house);
  one = house.system.portBase + 1;
  id = (await house.api.create(house.repository("two", files))).identifier;
});
afterAll(async () => {
  await second[Symbol.asyncDispose]();
  await house[Symbol.asyncDispose]();
});

const ide = (): string => `http://${id}.gitspaces.localhost:${one}/`;
const isCode = (address: string): boolean => address.includes("/.gitspaces/sign-in?");

async function signedIn(): Promise<Balanced> {
  const browser = new Balanced();
  expect(await browser.follow(await house.api.signInLink(id), one)).toMatchObject({ status: 200 });
  return browser;
}

test("I9: a session made at one gateway is good at the other", async () => {
  const browser = await signedIn();
  const page = await browser.follow(ide(), second.http);
  expect(page).toMatchObject({ status: 200, body: expect.stringContaining("workbench") as string });
});

test("I9: a one-time code is good once, whichever gateways it is shown to and however closely together", async () => {
  for (let round = 0; round < 10; round++) {
    const browser = new Balanced();
    const { location } = await browser.follow(await house.api.signInLink(id), one, isCode);
    expect(location).toContain("/.gitspaces/sign-in?");
    // Each with the nonce of the browser that began: it is the code alone that is not good any more.
    const show = async (via: number) => await browser.copy().get(location, via);
    const replies = await Promise.all([one, second.http, one, second.http].map(show));
    expect(replies.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([303, 401, 401, 401]);
    for (const via of [one, second.http]) {
      const late = await show(via);
      expect([late.status, late.body.includes("was used before")]).toEqual([401, true]);
    }
  }
});

test("I5: a route that goes and one that comes reach both gateways", async () => {
  const browser = await signedIn();
  const opens = async (via: number) => (await browser.follow(ide(), via)).body.includes("workbench");
  await house.api.stop(id);
  for (const via of [one, second.http]) await expect.poll(() => opens(via), { timeout: 20_000 }).toBe(false);
  await house.api.start(id);
  for (const via of [one, second.http]) await expect.poll(() => opens(via), { timeout: 20_000 }).toBe(true);
});

test("I11 E1: while one gateway is frozen, or dead, the other serves on", async () => {
  const browser = await signedIn();
  const open = async (via: number) => (await browser.follow(ide(), via)).body.includes("workbench");
  house.signal("gateway", "SIGSTOP");
  expect(await open(second.http)).toBe(true);
  house.signal("gateway", "SIGCONT");
  house.signal("gateway", "SIGKILL");
  expect(await open(second.http)).toBe(true);
  await house.ready("gateway");
  expect(await open(one)).toBe(true);
});

/** The delegate's own certificate; it is on the disk, so nothing is enrolled. */
async function delegateIdentity(): Promise<TlsIdentity> {
  const folder = join(house.data, "delegate");
  return await enrol({
    enrolUrl: `https://127.0.0.1:1`,
    caFingerprint: readFileSync(join(house.data, "ca", "fingerprint"), "utf8").trim(),
    name: "local",
    role: "delegate",
    keyFile: join(folder, "key.pem"),
    certificateFile: join(folder, "certificate.json"),
    token: "",
    signal: AbortSignal.timeout(10_000),
  });
}

test("I2 E1: a task's events broken off by the death of a gateway go on, its work is done once, and either gateway tells the answer", async () => {
  const someone = person(house);
  const gitspace = await someone.create(house.repository("three", files));
  await someone.ask(gitspace, "start");
  let file = "";
  await until("the hook runs", 60_000, async () => {
    const vm = (await look(house)).vms.find((each) => each.gitspace === gitspace)?.id ?? "";
    file = join(house.data, "vms", vm, "home", "dev", "created");
    return readFileSync(file, "utf8") === "begun\n";
  });
  house.signal("gateway", "SIGKILL");
  expect(await someone.outcome(gitspace)).toEqual({ state: "running", reason: "" });
  expect(readFileSync(file, "utf8")).toBe("begun\nended\n");
  const tasks = (await look(house)).tasks.filter(
    (task) => task.gitspace === gitspace && task.type === "gitspace.start",
  );
  expect(tasks).toEqual([expect.objectContaining({ state: "answered", outcome: "ok", late: 0 })]);

  const tls = clientTls(await delegateIdentity(), { role: "gateway" });
  const told = async (port: number) => {
    const path = `/tasks/${tasks[0]?.id ?? ""}/events`;
    const asked = request({
      ...tls,
      host: "127.0.0.1",
      port,
      path,
      agent: false,
      headers: { [GITSPACE_HEADER]: gitspace },
    }).end();
    const [answer] = (await once(asked, "response", { signal: AbortSignal.timeout(10_000) })) as [IncomingMessage];
    const lines = (await text(answer)).trim().split("\n");
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ answer: { outcome: "ok" } });
    return createHash("sha256").update(lines.join("\n")).digest("hex");
  };
  await house.ready("gateway");
  expect(await told(second.tasks)).toBe(await told(house.system.ready.ports["gateway_tasks"] ?? 0));
});
