// The promise of dev containers, as a newcomer meets it: the sample open in VS Code inside its dev container, in a real Chromium.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copySample } from "@gitspaces/local";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { apiClient } from "./api.ts";
import { editorText, fileRow, newPerson, openBrowser, openFile, workbench } from "./browser.ts";
import { commitFiles, commitFolder } from "./git-server.ts";
import { portPage } from "./session.ts";

const system = inject("system");
const git = inject("git");
const api = apiClient(system.ready.ui, system.adminToken);
const folder = mkdtempSync(join(tmpdir(), "sample-"));
let browser: Browser;

beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

/** Types a line into the terminal until the file that it makes is there: a terminal that is not up yet swallows what is typed. */
async function makeFile(page: Page, line: string, file: string): Promise<void> {
  const isThere = () => fileRow(page, file).waitFor({ timeout: 8_000 });
  for (let attempts = 4; ; attempts--) {
    await page.locator(".terminal-wrapper.active .xterm-helper-textarea").focus();
    await page.keyboard.type(`${line}\n`, { delay: 10 });
    const made = await isThere().then(
      () => true,
      () => false,
    );
    if (made) return;
    if (attempts === 1) {
      await picture(page, `no-${file}`);
      throw new Error(`the terminal made no ${file}`);
    }
  }
}

async function picture(page: Page, name: string): Promise<void> {
  const pictures = process.env["SCREENSHOTS"];
  if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`) });
}

async function openTerminal(page: Page): Promise<void> {
  await page.keyboard.press("Control+Backquote");
  await page.locator(".terminal-wrapper.active .xterm-screen").waitFor();
  await page.locator(".terminal-wrapper.active .xterm-helper-textarea").waitFor({ state: "attached" });
}

test("the sample opens in VS Code inside its dev container, with its feature, its extension and its port", async () => {
  copySample(join(folder, "hello"));
  const engine = "test -S /var/run/docker.sock && echo engine || echo no engine";
  writeFileSync(join(folder, "hello", "facts.sh"), `id -un; greet Ada; ${engine}; hostname\n`);
  const path = commitFolder(git.root, "hello", join(folder, "hello"));
  const { identifier } = await api.create(`${git.url}${path}`, { name: "hello" });
  const log = (await api.log(identifier)).map(({ out }) => out).join("\n");
  expect(log).toContain("Ran 2 tests");

  const { context, page } = await newPerson(browser);
  page.setDefaultTimeout(30_000);
  await page.goto(await api.signInLink(identifier));
  await workbench(page);
  await fileRow(page, "server.py").waitFor();

  await openTerminal(page);
  await makeFile(page, "sh facts.sh > facts.txt", "facts.txt");
  await openFile(page, "facts.txt");
  await expect.poll(() => editorText(page)).toMatch(/dev\s+Hello, Ada!\s+no engine/);

  const status = page.locator(".statusbar-item", { hasText: /Hello from dev@/ });
  await status.waitFor();
  const machine = /dev@(\S+)/.exec(await status.innerText())?.[1] ?? "nowhere";
  expect(await editorText(page)).toContain(machine);
  await picture(page, "sample");

  await makeFile(page, "python3 server.py > served.txt 2>&1 &", "served.txt");
  await expect
    .poll(() => portPage(system, api, identifier, 3000, "/?name=Grace"), { timeout: 20_000 })
    .toBe("Hello, Grace!\n");

  const before = await portPage(system, api, identifier, 3000, "/");
  expect(before).toBe("Hello, world!\n");
  await context.close();
  await api.call("DELETE", `gitspaces/${identifier}`);
});

test("a broken devcontainer.json lets the person in to mend it; the next start builds what they meant", async () => {
  const file = ".devcontainer/devcontainer.json";
  const broken = '{\n  "name": "Broken",\n  "postCreateCommand": }\n';
  const mended = JSON.stringify({ postCreateCommand: "echo it-is-mended" });
  const path = commitFiles(git.root, "mend", { [file]: broken, "mended.json": mended });
  const { identifier } = await api.create(`${git.url}${path}`, { name: "mend" });
  const told = (await api.events(identifier)).map(({ message }) => message).join("\n");
  expect(told).toContain(`${file}:3:24: value expected`);

  const { context, page } = await newPerson(browser);
  page.setDefaultTimeout(30_000);
  await page.goto(await api.signInLink(identifier));
  await workbench(page);
  await openTerminal(page);
  await makeFile(page, "cp mended.json .devcontainer/devcontainer.json; echo > mended.txt", "mended.txt");
  await context.close();

  await api.stop(identifier);
  await api.start(identifier);
  const log = (await api.log(identifier)).map(({ out }) => out).join("\n");
  expect(log).toContain("it-is-mended");
  await api.call("DELETE", `gitspaces/${identifier}`);
});

test("code in a dev container reaches the internet's names, and neither the VM under it nor metadata nor other VMs", async () => {
  const targets = ["172.17.0.1:8083", "169.254.169.254:80", `${system.up.host_address}:${system.portBase + 5}`];
  const look = targets
    .map((target) => target.split(":"))
    .map(
      ([host, port]) =>
        `timeout 2 bash -c '</dev/tcp/${host}/${port}' && echo SEEN[${host} open] || echo SEEN[${host} shut];`,
    );
  const script = ["#!/bin/bash", ...look, ""].join("\n");
  const path = commitFiles(git.root, "walls", {
    "look.sh": script,
    ".devcontainer/devcontainer.json": JSON.stringify({ postCreateCommand: "bash look.sh" }),
  });
  const { identifier } = await api.create(`${git.url}${path}`, { name: "walls" });
  const log = (await api.log(identifier)).map(({ out }) => out).join("\n");
  expect([...log.matchAll(/SEEN\[(\S+) (\S+)\]/g)].map(([, host, how]) => [host, how])).toEqual(
    targets.map((target) => [target.split(":")[0], "shut"]),
  );
  await api.call("DELETE", `gitspaces/${identifier}`);
});
