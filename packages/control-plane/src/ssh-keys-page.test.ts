// SSH keys on the page, in a real Chromium.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@gitspaces/daemon/testing";
import { chromium } from "playwright-core";
import { expect, test, vi } from "vitest";
import { testControlPlane } from "./testing/control-plane.ts";

vi.setConfig({ testTimeout: 90_000 });

test("a person adds an SSH key on the page, sees why another is refused, and removes it after a question", async () => {
  await using opened = new AsyncDisposableStack();
  const port = await freePort();
  const plane = opened.use(
    await testControlPlane({ listen: `127.0.0.1:${port}`, publicUrl: `http://localhost:${port}` }),
  );
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
  const browser = opened.adopt(await chromium.launch({ executablePath, args }), (each) => each.close());
  const folder = opened.adopt(mkdtempSync(join(tmpdir(), "gs-page-key-")), (each) => rmSync(each, { recursive: true }));
  const file = join(folder, "key");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "<b>laptop</b>", "-f", file]);

  const page = await browser.newPage();
  page.setDefaultTimeout(45_000);
  await page.goto(`http://localhost:${port}/`);
  await page.getByLabel("Personal token").fill(plane.adminToken);
  await page.keyboard.press("Enter");
  await page.getByText("SSH keys").click();
  await page.getByText("No key yet.").waitFor();
  const field = page.getByLabel(/Public key/);
  await field.fill("ssh-ed25519 nonsense");
  await page.getByRole("button", { name: "Add key" }).click();
  await page.getByText(/This is not a key of the type/).waitFor();
  await field.fill(readFileSync(`${file}.pub`, "utf8").trim());
  await page.getByRole("button", { name: "Add key" }).click();
  await page.getByText("<b>laptop</b>").waitFor();
  const [, fingerprint = ""] = execFileSync("ssh-keygen", ["-l", "-f", file], { encoding: "utf8" }).split(" ");
  expect(await page.getByLabel("SSH keys").textContent()).toContain(fingerprint);
  await page.getByRole("button", { name: "Remove <b>laptop</b>" }).click();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByText("No key yet.").waitFor();
  expect(await (await plane.call("GET", "/api/v1/user/ssh-keys")).json()).toEqual([]);
});
