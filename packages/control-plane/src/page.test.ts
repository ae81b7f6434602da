// The page as a person meets it: a real Chromium, a real control plane, a delegate that answers by hand.
import { freePort } from "@gitspaces/daemon/testing";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { testControlPlane, type TestControlPlane } from "./testing/control-plane.ts";
import { connect, type TestDelegate } from "./testing/delegate.ts";

// A browser beside eleven busy processes takes ten times as long; the time says nothing about the page.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const PATIENCE_MS = 45_000;

let plane: TestControlPlane;
let delegate: TestDelegate;
let browser: Browser;
let page: Page;
const complaints: string[] = [];
const repository = "https://git.example.com/team/hello.git";

beforeAll(async () => {
  // The page's requests carry its origin, so the public URL must be known before the port is taken.
  const port = await freePort();
  plane = await testControlPlane({ listen: `127.0.0.1:${port}`, publicUrl: `http://localhost:${port}` });
  delegate = await connect(plane);
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args });
  page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) complaints.push(message.text());
  });
});
afterAll(async () => {
  await browser.close();
  await plane[Symbol.asyncDispose]();
});

const home = (): string => new URL(plane.url).port;
const address = (path: string): string => `http://localhost:${home()}${path}`;
const see = (text: string | RegExp): Promise<void> => page.getByText(text).first().waitFor();

async function create(url: string, name: string): Promise<void> {
  await page.goto(address("/"));
  await page.getByLabel("Repository").fill(url);
  await page.getByLabel("Name").fill(name);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/gitspaces\//);
}

test("a wrong token is refused in words; the right one leads on, but never to another host", async () => {
  await page.goto(address("/?next=//example.com/"));
  await page.getByLabel("Personal token").fill("gsp_wrong");
  await page.keyboard.press("Enter");
  await page.locator(".problem:not(:empty)").waitFor();
  await page.getByLabel("Personal token").fill(plane.adminToken);
  await page.keyboard.press("Enter");
  await see("No Gitspace yet");
  expect(new URL(page.url()).host).toBe(`localhost:${home()}`);
  await page.goto(address("/?next=/gitspaces/no-such-abc123"));
  await see("There is no such Gitspace");
  expect(new URL(page.url()).pathname).toBe("/gitspaces/no-such-abc123");
});

test("a Gitspace is made, shown as it starts, opened by a link, stopped and deleted, all without a reload", async () => {
  await create(repository, "there and back");
  await see("starting");
  await page.getByLabel("under way").first().waitFor();
  await delegate.does("vm.provision", "gitspace.start");
  await see("running");
  expect(await page.getByRole("link", { name: "Open" }).getAttribute("href")).toMatch(
    /^http:\/\/there-and-back-\w+\.gitspaces\.localhost:7401\/?$/,
  );
  expect(await page.getByLabel("under way").count()).toBe(0);
  await page.getByRole("button", { name: "Stop" }).click();
  await delegate.does("gitspace.stop", "vm.stop");
  await see("stopped");
  await page.getByRole("button", { name: "Delete" }).click();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await delegate.does("vm.destroy");
  await page.waitForURL(address("/"));
  await see("No Gitspace yet");
});

test("a start is cancelled and a Gitspace reset from its page, the reset after a question", async () => {
  await create(repository, "anew");
  await page.getByRole("button", { name: "Cancel" }).click();
  await delegate.does("vm.stop");
  await see("stopped");
  await page.getByRole("button", { name: "Start" }).click();
  await delegate.does("vm.provision", "gitspace.start");
  await see("running");
  await page.getByRole("button", { name: "Reset" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Reset" }).click();
  await delegate.does("gitspace.stop", "vm.stop", "vm.provision", "gitspace.start");
  await page.getByRole("button", { name: "Stop" }).click();
  await delegate.does("gitspace.stop", "vm.stop");
  await see("stopped");
  const shown = await plane.call("GET", `/api/v1${new URL(page.url()).pathname}`);
  // Start, cancel, start, reset, stop: each was asked for once.
  expect(await shown.json()).toMatchObject({ state: "stopped", generation: 5 });
});

test("what is deleted is listed apart while it is kept, and is taken back from its page", async () => {
  const port = await freePort();
  const publicUrl = `http://localhost:${port}`;
  await using kept = await testControlPlane({ listen: `127.0.0.1:${port}`, publicUrl, deleteGraceMs: 3_600_000 });
  const worker = await connect(kept);
  const made = await kept.call("POST", "/api/v1/gitspaces", { code_repo_url: repository, name: "regretted" });
  const { identifier } = (await made.json()) as { identifier: string };
  await kept.call("POST", `/api/v1/gitspaces/${identifier}/actions`, { action: "start" });
  await worker.does("vm.provision", "gitspace.start");
  // Another browser: cookies know no ports.
  await using context = await browser.newContext();
  const tab = await context.newPage();
  tab.setDefaultTimeout(PATIENCE_MS);
  await tab.goto(`${publicUrl}/`);
  await tab.getByLabel("Personal token").fill(kept.adminToken);
  await tab.keyboard.press("Enter");
  await tab.getByText("regretted").first().click();
  await tab.getByRole("button", { name: "Delete" }).click();
  await tab.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await worker.does("gitspace.stop", "vm.stop");
  await tab.getByRole("button", { name: "Undelete" }).waitFor();
  await tab.goto(`${publicUrl}/`);
  await tab.getByText("Deleted, and kept for a while: 1").click();
  await tab.getByLabel("Deleted Gitspaces").getByText("regretted").first().click();
  await tab.getByRole("button", { name: "Undelete" }).click();
  await tab.getByRole("button", { name: "Start" }).waitFor();
  const shown = await kept.call("GET", `/api/v1/gitspaces/${identifier}`);
  expect(await shown.json()).toMatchObject({ state: "stopped", undelete_until: null });
});

test("a private repository's token reaches the agent sealed, and is never shown again", async () => {
  await page.goto(address("/"));
  await page.getByLabel("Repository").fill(repository);
  await page.getByLabel("Token").fill("canary-of-a-token");
  expect(await page.getByLabel("Token").getAttribute("type")).toBe("password");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/gitspaces\//);
  const [, start] = await delegate.does("vm.provision", "gitspace.start");
  expect(start?.data).toMatchObject({ secrets: { ciphertext: expect.any(String) as string } });
  await see("running");
  expect(await page.content()).not.toContain("canary");
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await delegate.does("gitspace.remove", "vm.destroy");
  await page.waitForURL(address("/"));
});

test("what is wrong with a form is said in the words of the form", async () => {
  await page.goto(address("/"));
  await page.getByLabel("Repository").fill("ftp://git.example.com/team/hello");
  await page.keyboard.press("Enter");
  await page.locator("#create-problem:not(:empty)").waitFor();
  expect(await page.locator("#create-problem").textContent()).toMatch(/^Repository: should be an https or http URL/);
});

test("a failed start is shown as failed, with its reason and another try", async () => {
  await create(repository, "unlucky");
  const task = await delegate.take();
  await delegate.fail(task, "no_capacity", "never");
  await see("This Gitspace failed");
  await see("no: no_capacity");
  await page.getByLabel("failed", { exact: true }).first().waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await see("starting");
  // What the failed start may have left is released first.
  await delegate.does("vm.stop", "vm.provision", "gitspace.start");
  await see("running");
  expect(await page.getByText("This Gitspace failed").count()).toBe(0);
});

test("an answer that comes late does not take back what the stream has told", async () => {
  const late = Promise.withResolvers<void>();
  let reads = 0;
  // The second reading belongs to the opened stream; its answer is from before the failure and arrives after it.
  const isHeld = Promise.withResolvers<void>();
  await page.route(/\/api\/v1\/gitspaces\/overtaken-\w+$/, async (route) => {
    reads += 1;
    if (reads !== 2) return await route.continue();
    const response = await route.fetch();
    isHeld.resolve();
    await late.promise;
    await route.fulfill({ response });
  });
  await create(repository, "overtaken");
  await isHeld.promise;
  await delegate.fail(await delegate.take(), "no_capacity", "never");
  await see("This Gitspace failed");
  const answered = page.waitForResponse(/\/overtaken-\w+\/events\?/);
  late.resolve();
  await answered;
  await see("This Gitspace failed");
  expect(await page.locator("h1 + .state").textContent()).toBe("failed");
  await page.unroute(/overtaken/);
  await delegate.does("vm.stop");
});

test("what a Gitspace writes is text, never markup", async () => {
  await create(repository, "<img src=x>");
  await delegate.does("vm.provision");
  const task = await delegate.take();
  const line = { taskId: task.id, gitspaceId: task.gitspaceId, at: Date.now() };
  const events = [
    { ...line, seq: 1, kind: "log", message: "<b>bold</b> \u001b[31mred\u001b[0m" },
    { ...line, seq: 2, kind: "note", message: "<script>alert(1)</script>" },
  ];
  await delegate.call("POST", `/api/agent/v2/tasks/${task.id}/events`, { events });
  await see("<b>bold</b> red");
  await see("<script>alert(1)</script>");
  expect(await page.locator("h1").textContent()).toBe("<img src=x>");
  await delegate.succeed(task);
});

test("the page tells what uses a Gitspace, and sets when it stops by itself", async () => {
  await create(repository, "used");
  const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
  const moved = { gitspaceId: id, generation: 1, at: Date.now(), bytes: 5_000_000, source: "ssh", port: 8022 };
  await delegate.does("vm.provision", "gitspace.start");
  const headers = { authorization: `Bearer ${plane.gatewayToken}` };
  await plane.call("POST", "/api/gateway/v1/reports", { reports: [{ kind: "activity", ...moved }] }, headers);
  await page.reload();
  await see("used just now, 4.8 MB in 24 h");
  await page.getByLabel("It stops").selectOption({ label: "after an idle hour" });
  await see(/^At .*, unless somebody uses it before\.$/);
  await page.reload();
  await see(/unless somebody uses it before/);
  expect(await page.getByLabel("It stops").inputValue()).toBe("60");
  expect(complaints).toEqual([]);
});

test("the page opens a port to others, makes a link, and takes both back", async () => {
  await create(repository, "shared");
  const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
  await page.getByLabel("Port", { exact: true }).fill("3000");
  await page.getByLabel("Who may reach the port").selectOption({ label: "your organisation" });
  await page.getByRole("button", { name: "Set" }).click();
  await page.getByRole("button", { name: "Close" }).waitFor();
  await page.getByRole("button", { name: "Make a link" }).click();
  await see("Link to port 3000");
  expect(await page.content()).not.toContain("gsl_");
  const sharing = async () => (await plane.call("GET", `/api/v1/gitspaces/${id}/visibility`)).json();
  expect(await sharing()).toMatchObject({ ports: [{ port: 3000, visibility: "organisation" }] });
  await page.getByRole("button", { name: "End" }).click();
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Close" }).waitFor({ state: "detached" });
  await page.getByText("Link to port 3000").waitFor({ state: "detached" });
  expect(await sharing()).toMatchObject({ ports: [] });
  expect(complaints).toEqual([]);
});

test("the list follows what happens elsewhere, and goes on after the control plane was away", async () => {
  await page.goto(address("/"));
  await see("unlucky");
  await plane.restart();
  delegate = await connect(plane);
  const made = await plane.call("POST", "/api/v1/gitspaces", { code_repo_url: repository, name: "made-elsewhere" });
  expect(made.status).toBe(201);
  await see("made-elsewhere");
});

test("the page runs within its content security policy and throws nothing", () => {
  expect(complaints).toEqual([]);
});
