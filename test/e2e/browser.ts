// A real Chromium, driven as a person would: pages, keys, eyes.
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts Debian's Chromium without a window; `env` is added to its surroundings. */
export async function openBrowser(env: Record<string, string> = {}): Promise<Browser> {
  const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
  return await chromium.launch({ executablePath, args: flags, env: { ...process.env, ...env } });
}

/** A page of somebody who has not been here before. */
export async function newPerson(browser: Browser): Promise<{ context: BrowserContext; page: Page }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  return { context, page: await context.newPage() };
}

/** Waits until the workbench of VS Code stands, with a folder in its explorer. */
export async function workbench(page: Page): Promise<void> {
  await page.locator(".monaco-workbench").waitFor({ timeout: 60_000 });
  await page.locator(".explorer-folders-view .monaco-list-row").first().waitFor({ timeout: 60_000 });
}

/** The row of a file in the explorer. */
export function fileRow(page: Page, name: string) {
  return page.locator(".explorer-folders-view .monaco-list-row", { hasText: name });
}

/** Opens a file of the workspace by the keyboard. */
export async function openFile(page: Page, name: string): Promise<void> {
  await page.keyboard.press("Control+p");
  await page.locator(".quick-input-widget input").waitFor();
  await page.keyboard.type(name);
  await page.locator(".quick-input-list .monaco-list-row", { hasText: name }).first().waitFor();
  await page.keyboard.press("Enter");
  await page.locator(".tab.active", { hasText: name }).waitFor();
  await page.locator(".editor-instance .view-lines").first().waitFor();
}

/** What the editor shows, with the no-break spaces it draws as spaces. */
export async function editorText(page: Page): Promise<string> {
  const text = await page.locator(".editor-instance .view-lines").first().innerText();
  return text.replaceAll("\u00a0", " ");
}

/** Opens a terminal and waits until its shell reads: what is typed before is lost, so a command is typed until it leaves its trace. */
export async function openTerminal(page: Page): Promise<void> {
  await page.keyboard.press("Control+Backquote");
  await page.locator(".terminal-wrapper.active .xterm-screen").waitFor();
  await page.locator(".terminal-wrapper.active .xterm-helper-textarea").waitFor({ state: "attached" });
  for (let tries = 30; (await fileRow(page, "reads.txt").count()) === 0; tries--) {
    if (tries === 0) throw new Error("The terminal's shell reads nothing.");
    await page.keyboard.type("touch reads.txt\n", { delay: 20 });
    await page.waitForTimeout(1_000);
  }
}
