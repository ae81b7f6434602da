// The working day over https, with certificates of an authority that the browser believes: VS Code, and a dev server beside it.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeWebAuthority } from "@gitspaces/daemon/testing/web-authority";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { type Api, apiClient } from "./api.ts";
import { editorText, fileRow, newPerson, openBrowser, openFile, openTerminal, workbench } from "./browser.ts";
import { devServer } from "./dev-server.ts";
import { commitFiles } from "./git-server.ts";
import { provider } from "./provider.ts";
import { newDataFolder, removeSystem, startSystem, type System } from "./system.ts";
import { trustingHome } from "./trust.ts";

const DOMAIN = "gitspaces.localhost";
const PORT = 3000;
const git = inject("git");
const gitPort = Number(new URL(git.url).port);
const pictures = process.env["SCREENSHOTS"];

const opened = new AsyncDisposableStack();
let system: System;
let api: Api;
let browser: Browser;
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "https-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const authority = await makeWebAuthority();
  const { certificate, key } = await authority.issue([`*.${DOMAIN}`]);
  const [certificateFile, keyFile] = [join(folder, "certificate.pem"), join(folder, "key.pem")];
  writeFileSync(certificateFile, certificate);
  writeFileSync(keyFile, key, { mode: 0o600 });

  const data = newDataFolder();
  opened.defer(() => removeSystem(data));
  await provider.prepare(data);
  system = await startSystem({
    data,
    vmHostPorts: [gitPort],
    env: { GITSPACES_TLS_CERTIFICATE_FILE: certificateFile, GITSPACES_TLS_KEY_FILE: keyFile },
  });
  api = apiClient(system.ready.ui, system.adminToken);
  const { home } = opened.use(trustingHome(authority.certificate));
  browser = await openBrowser({ HOME: home });
  opened.defer(() => browser.close());
});
afterAll(() => opened.disposeAsync());

async function picture(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `https-${name}.png`) });
}

test("over https a person signs in, saves a file in VS Code, uses the terminal, and sees a dev server reload by itself", async () => {
  const path = commitFiles(git.root, "https", { "greeting.txt": "one", "dev.mjs": devServer });
  const { identifier } = await api.create(`http://${system.up.host_address}:${gitPort}${path}`, { name: "https" });
  const { context, page } = await newPerson(browser);
  page.setDefaultTimeout(30_000);

  await page.goto(await api.signInLink(identifier));
  await workbench(page);
  expect(new URL(page.url()).origin).toBe(`https://${identifier}.${DOMAIN}:${system.portBase + 1}`);
  const cookies = await context.cookies(page.url());
  const ours = cookies.filter(({ name }) => name.startsWith("__Host-gs-"));
  expect(ours.map(({ secure, httpOnly, domain }) => ({ secure, httpOnly, domain }))).toEqual([
    { secure: true, httpOnly: true, domain: `${identifier}.${DOMAIN}` },
  ]);

  await openTerminal(page);
  await page.keyboard.type(`node dev.mjs ${PORT} > served.txt &\n`, { delay: 20 });
  await fileRow(page, "served.txt").waitFor();

  const beside = await context.newPage();
  await picture(page, "0-terminal");
  const address = `https://${PORT}--${identifier}.${DOMAIN}:${system.portBase + 1}/`;
  const heading = beside.locator("h1");
  await expect
    .poll(
      async () => {
        await beside.goto(address);
        return await heading.first().innerText();
      },
      { timeout: 20_000 },
    )
    .toBe("one");
  await expect.poll(() => beside.title()).toBe("connected");
  const before = await beside.evaluate(() => performance.timeOrigin);
  await picture(beside, "1-served");

  await page.bringToFront();
  await openFile(page, "greeting.txt");
  await page.keyboard.press("Control+End");
  await page.keyboard.type(", then two");
  await expect.poll(() => editorText(page)).toContain("one, then two");
  await page.keyboard.press("Control+s");
  await page.locator(".tab.active:not(.dirty)", { hasText: "greeting.txt" }).waitFor();
  await picture(page, "2-saved");

  await expect.poll(() => heading.innerText(), { timeout: 10_000 }).toBe("one, then two");
  expect(await beside.evaluate(() => performance.timeOrigin)).toBeGreaterThan(before);
  await picture(beside, "3-reloaded");
  await context.close();
});
