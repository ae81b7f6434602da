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
import { INSIDE } from "../../packages/agent/src/dev-container/inside-folder.ts";
import { openTestEngine } from "../../packages/agent/src/testing/engine.ts";
import { testInside } from "../../packages/agent/src/testing/inside-folder.ts";
import { testContainer } from "../../packages/agent/src/testing/test-container.ts";
import { packExtension } from "../../packages/local/src/vsix.ts";
import { buildImage } from "../../packages/providers/process/src/image.ts";
import { MUSL_IMAGE } from "./provider.ts";

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

async function codeServer(made: AsyncDisposableStack): Promise<{ folder: string; imageFolder: string }> {
  const folder = mkdtempSync(join(tmpdir(), "gs-container-ide-"));
  made.defer(() => rmSync(folder, { recursive: true }));
  const images = join(folder, "images");
  mkdirSync(images);
  return { folder, imageFolder: await buildImage({ imagesFolder: images, signal: AbortSignal.timeout(300_000) }) };
}

test("code-server serves its workbench from inside, and an extension of the repository is installed", async () => {
  await using made = new AsyncDisposableStack();
  const { folder, imageFolder } = await codeServer(made);
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
  const [status, body] = await page(ide, "/?ew=true");
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

/** What an IDE's terminal does: a program on a pseudo terminal of its own. */
const TERMINAL = `const pty = require("${INSIDE.ide}/node_modules/code-server/lib/vscode/node_modules/node-pty");
const terminal = pty.spawn("/bin/sh", ["-c", "test -t 0 && id -un && ls /lib/ld-musl-*"], {});
terminal.onData((text) => process.stdout.write(text));`;

test("an image without glibc gets code-server too, with terminals of the image", async () => {
  await using made = new AsyncDisposableStack();
  const { imageFolder } = await codeServer(made);
  const engine = await openTestEngine();
  const recipe = join(import.meta.dirname, "../fixtures/musl-image");
  await engine.ask(["build", "--quiet", "--tag", MUSL_IMAGE, recipe], AbortSignal.timeout(100_000));
  const vm = made.use(await testInside(imageFolder));
  const user = { name: "dev", uid: 1000, gid: 1000, home: "/home/dev", shell: "/bin/sh" };
  const box = made.use(await testContainer(vm.options, { image: MUSL_IMAGE, user }));
  box.container.libc = { kind: "musl" };
  // By these two files programs know such an image.
  await box.docker("exec", box.container.id, "sh", "-c", "touch /etc/alpine-release; echo musl libc > /usr/bin/ldd");
  const notes: string[] = [];
  const log = createLog("agent", "silent");
  const note = (sentence: string) => notes.push(sentence);
  const ide = made.use(openContainerIde({ engine: box.engine, inside: vm.inside, note, log }));
  ide.start(box.container);
  await ide.ready(AbortSignal.timeout(60_000));
  const [status, body] = await page(ide, "/?ew=true");
  expect([status, body.includes("vscode-workbench-web-configuration")]).toEqual([200, true]);
  expect(notes).toEqual([expect.stringMatching(/^The image has musl, /)]);
  const args = [INSIDE.anyNode, "-e", TERMINAL];
  const { output } = await runInside(box.engine, box.container, { args, signal: AbortSignal.timeout(10_000) });
  expect(output).toEqual(["dev", expect.stringMatching(/ld-musl-/)]);
  await ide.stop();
});
