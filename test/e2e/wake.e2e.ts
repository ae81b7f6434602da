// Work goes on by going there: a stopped Gitspace starts for whoever wants it, once, and for nothing else.
import { mkdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { apiClient } from "./api.ts";
import { newPerson, openBrowser, workbench } from "./browser.ts";
import { commitFiles } from "./git-server.ts";
import { follow, type Jar } from "./session.ts";

const system = inject("system");
const git = inject("git");
const api = apiClient(system.ready.ui, system.adminToken);
const gatewayPort = system.portBase + 1;
const pictures = process.env["SCREENSHOTS"];
let browser: Browser;
let id: string;

beforeAll(async () => {
  browser = await openBrowser();
  const files = {
    "README.md": "# Wake\n",
    ".devcontainer/devcontainer.json": '{ "postStartCommand": "sleep 1" }\n',
  };
  const path = commitFiles(git.root, "wake", files);
  id = (await api.create(`${git.url}${path}`, { name: "wake" })).identifier;
});
afterAll(async () => {
  await browser.close();
  if (id !== undefined) await api.call("DELETE", `gitspaces/${id}`);
});

async function picture(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}

type Reply = { status: number; retryAfter: string | undefined; body: string };
/** One request with the cookies of somebody who signed in, as a program makes it. */
function ask(jar: Jar, path: string, headers: Record<string, string> = {}): Promise<Reply> {
  const host = `${id}.gitspaces.localhost:${gatewayPort}`;
  const cookie = [...(jar.get(host) ?? [])].map(([name, value]) => `${name}=${value}`).join("; ");
  return new Promise((resolve, reject) => {
    const about = { host, cookie, accept: "*/*", "user-agent": "curl/8.14.1", ...headers };
    const asking = request({ host: "127.0.0.1", port: gatewayPort, path, headers: about }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      const { statusCode: status = 0, headers: said } = response;
      response.once("end", () => resolve({ status, retryAfter: said["retry-after"], body }));
    });
    asking.once("error", reject);
    asking.end();
  });
}
const starts = async (): Promise<number> =>
  (await api.events(id)).filter(({ event }) => event === "gitspace_action_start").length;

test("a person opens a stopped Gitspace, sees how far its start is, and is in the editor without a click", async () => {
  const { context, page } = await newPerson(browser);
  page.setDefaultTimeout(60_000);
  await page.goto(await api.signInLink(id));
  const address = page.url();
  await page.goto("about:blank");
  await api.stop(id);

  await page.goto(address);
  await page.getByRole("heading", { name: "wake is starting" }).waitFor();
  await page.locator("li.active").first().waitFor();
  await picture(page, "waiting-starting");
  await page.locator("li.active", { hasText: "Preparing the environment" }).waitFor();
  await picture(page, "waiting-environment");
  await workbench(page);
  expect((await api.events(id)).map(({ message }) => message)).toContain("Started by a visit in the browser");
  await context.close();
});

test("what an open window asks by itself starts nothing; twenty programs start it once, and each gets its answer", async () => {
  const jar: Jar = new Map();
  await follow(await api.signInLink(id), jar);
  await api.stop(id);
  const before = await starts();

  const upgrade = {
    connection: "Upgrade",
    upgrade: "websocket",
    origin: `http://${id}.gitspaces.localhost:${gatewayPort}`,
  };
  const again = await ask(jar, "/?reconnectionToken=0b1c&reconnection=true", upgrade);
  expect([again.status, again.retryAfter]).toEqual([503, "60"]);
  const polled = await ask(jar, "/version", {
    "sec-fetch-mode": "cors",
    "sec-fetch-dest": "empty",
    "sec-fetch-site": "same-origin",
  });
  expect([polled.status, JSON.parse(polled.body)]).toMatchObject([503, { details: { situation: "stopped" } }]);
  expect(await starts()).toBe(before);

  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(jar, "/version")));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  expect(await starts()).toBe(before + 1);
  expect((await api.until(id, ["running"])).state).toBe("running");
});

test("a stop while somebody waits is told on their page, and its button starts it again", async () => {
  await api.stop(id);
  const { context, page } = await newPerson(browser);
  page.setDefaultTimeout(60_000);
  await page.goto(await api.signInLink(id));
  await page.getByRole("heading", { name: "wake is starting" }).waitFor();
  await api.call("POST", `gitspaces/${id}/actions`, { action: "cancel" });
  await page.getByRole("heading", { name: "wake is stopped" }).waitFor();
  await picture(page, "waiting-stopped");
  await page.getByRole("button", { name: "Start it" }).click();
  await page.getByRole("heading", { name: "wake is starting" }).waitFor();
  await page.locator(".monaco-workbench").waitFor();
  expect(await api.until(id, ["running"])).toMatchObject({ state: "running" });
  await context.close();
});
