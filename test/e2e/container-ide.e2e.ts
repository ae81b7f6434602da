// code-server itself in a real dev container: the workbench page, and an extension that the configuration names by its file.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { createLog } from "@gitspaces/daemon";
import { expect, test } from "vitest";
import { type ContainerIde, openContainerIde } from "../../packages/agent/src/dev-container/ide.ts";
import { runInside } from "../../packages/agent/src/dev-container/in-container.ts";
import { testInside } from "../../packages/agent/src/testing/inside-folder.ts";
import { testContainer } from "../../packages/agent/src/testing/test-container.ts";
import { packExtension } from "../../packages/local/src/vsix.ts";
import { buildImage } from "../../packages/providers/process/src/image.ts";

async function page(ide: ContainerIde, path: string): Promise<[number | undefined, string]> {
  const socket = await ide.dial();
  return await new Promise((resolve, reject) => {
    const headers = { host: "x", connection: "close" };
    request({ createConnection: () => socket, path, headers }, (answer) => {
      text(answer).then((body) => resolve([answer.statusCode, body]), reject);
    })
      .once("error", reject)
      .end();
  });
}

test("code-server serves its workbench from inside, and an extension of the repository is installed", async () => {
  await using made = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "gs-container-ide-"));
  made.defer(() => rmSync(folder, { recursive: true }));
  const images = join(folder, "images");
  mkdirSync(images);
  const imageFolder = await buildImage({ imagesFolder: images, signal: AbortSignal.timeout(300_000) });
  const vm = made.use(await testInside(imageFolder));
  const box = made.use(await testContainer(vm.options));

  const extension = join(folder, "extension");
  mkdirSync(extension);
  const manifest = { name: "noted", publisher: "here", version: "1.0.0", engines: { vscode: "^1.50.0" } };
  writeFileSync(join(extension, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, "noted.vsix"), packExtension(extension));
  await box.docker("cp", join(folder, "noted.vsix"), `${box.container.id}:/home/node/noted.vsix`);

  const notes: string[] = [];
  const log = createLog("agent", "silent");
  const note = (sentence: string) => notes.push(sentence);
  const ide = made.use(openContainerIde({ engine: box.engine, inside: vm.inside, note, log }));
  const customizations = { extensions: ["./noted.vsix", "./missing.vsix"], settings: { "editor.tabSize": 3 } };
  ide.start({ ...box.container, customizations });
  await ide.ready(AbortSignal.timeout(60_000));
  const [status, body] = await page(ide, "/");
  expect(status).toBe(200);
  expect(body).toContain("vscode-workbench-web-configuration");

  const extensions = [
    "sh",
    "-c",
    "ls ~/.local/share/code-server/extensions; cat ~/.local/share/code-server/Machine/settings.json",
  ];
  const look = async () =>
    (await runInside(box.engine, box.container, { args: extensions, signal: AbortSignal.timeout(10_000) })).output.join(
      "\n",
    );
  await expect.poll(look, { timeout: 60_000, interval: 1_000 }).toContain("here.noted-1.0.0");
  expect(await look()).toContain('"editor.tabSize": 3');
  await expect.poll(() => notes, { timeout: 60_000 }).toHaveLength(1);
  expect(notes[0]).toMatch(/^The extension \/home\/node\/missing\.vsix was not installed: /);
  await ide.stop();
});
