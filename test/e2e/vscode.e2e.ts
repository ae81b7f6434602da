// The promise of the whole: a repository open in a real VS Code in the browser, and the work is still there tomorrow.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { apiClient } from "./api.ts";
import { editorText, fileRow, newPerson, openBrowser, openFile, openTerminal, workbench } from "./browser.ts";
import { commitFiles } from "./git-server.ts";

const system = inject("system");
const git = inject("git");
const api = apiClient(system.ready.ui, system.adminToken);
const pictures = process.env["SCREENSHOTS"];
let browser: Browser;

beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => {
  await browser.close();
});

async function picture(page: { screenshot(options: { path: string }): Promise<unknown> }, name: string): Promise<void> {
  if (pictures === undefined) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}

test("a person edits a file, uses the terminal, stops, starts, and finds the edit", async () => {
  const path = commitFiles(git.root, "notes", { "README.md": "# Notes\n", "src/main.txt": "one\n" });
  const { identifier } = await api.create(`${git.url}${path}`, { name: "notes" });
  const { context, page } = await newPerson(browser);
  page.setDefaultTimeout(30_000);

  await page.goto(await api.signInLink(identifier));
  await workbench(page);
  expect(new URL(page.url()).hostname).toBe(`${identifier}.gitspaces.localhost`);
  await fileRow(page, "README.md").waitFor();
  await picture(page, "1-opened");

  await openFile(page, "README.md");
  await page.keyboard.press("Control+End");
  await page.keyboard.type("written by hand");
  await expect.poll(() => editorText(page)).toContain("written by hand");
  await page.keyboard.press("Control+s");
  await page.locator(".tab.active:not(.dirty)", { hasText: "README.md" }).waitFor();

  await openTerminal(page);
  await page.keyboard.type("cat README.md > from-terminal.txt\n", { delay: 20 });
  await fileRow(page, "from-terminal.txt").waitFor();
  await picture(page, "2-edited");

  await api.stop(identifier);
  await page.goto(page.url());
  await page.getByRole("heading", { name: "notes is starting" }).waitFor();
  await picture(page, "3-starting");
  await workbench(page);
  await openFile(page, "from-terminal.txt");
  await expect.poll(() => editorText(page)).toContain("written by hand");
  await picture(page, "4-again");
  await context.close();
});
