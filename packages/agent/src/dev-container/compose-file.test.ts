// Rendering a Compose file reads what it names; none of that may be the VM's.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ENGINE_PATH } from "../testing/engine.ts";
import { renderCompose } from "./compose-file.ts";
import { resolvePath } from "./gate-bounds.ts";
import { strictPolicy } from "./policy.ts";

let folder: string;
let workspace: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "compose-file-")));
  workspace = join(folder, "workspace");
  mkdirSync(workspace);
  writeFileSync(join(folder, "outside"), "SECRET=hush\n");
  symlinkSync(join(folder, "outside"), join(workspace, "link"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function render(text: string) {
  writeFileSync(join(workspace, "c.yml"), text);
  return await renderFiles([join(workspace, "c.yml")]);
}

async function renderFiles(files: string[]) {
  const rendering = { files, service: "app", env: { PATH: ENGINE_PATH } };
  const bounds = {
    workspace,
    resolve: resolvePath,
    ownMounts: [],
    ownLabels: [],
    ownFolders: [],
    policy: strictPolicy,
  };
  return await renderCompose({ ...rendering, signal: AbortSignal.timeout(20_000) }, bounds);
}
const app = (more: string) => `version: "3.8"\nservices: { app: { image: i, ${more} } }\n`;

test.each([
  ["env_file of the VM", app("env_file: ../outside"), "env_file"],
  ["env_file through a link", app("env_file: [link]"), "env_file"],
  ["env_file by a variable", app("env_file: $X"), "env_file"],
  ["extends from the VM", app("extends: { file: ../outside, service: app }"), "extends"],
  ["include from the VM", `include: [{ path: ../outside }]\n${app("")}`, "include"],
  ["label_file of the VM", app("label_file: ../outside"), "label_file"],
  ["include from elsewhere", `include: ["https://host/repository.git"]\n${app("")}`, "include"],
  ["extends from elsewhere", app('extends: { file: "oci://host/image", service: app }'), "extends"],
  ["include with another folder", `include: [{ path: a.yml, project_directory: .. }]\n${app("")}`, "include"],
  ["include of two folders", `include: [{ path: [a/a.yml, b/c/b.yml] }]\n${app("")}`, "include"],
  ["another service than asked for", "services: { other: { image: i } }", "service"],
  ["no YAML", "services: [", "dockerComposeFile"],
  ["no Compose", 'version: "3.8"\nservices: { app: { image: 1, nonsense: [2 }}', "dockerComposeFile"],
])("%s is refused", async (_, text, field) => {
  await expect(render(text)).rejects.toMatchObject({ failure: { code: "devcontainer_invalid", field } });
});

test("paths in a second file count from where the first one stands", async () => {
  mkdirSync(join(workspace, "deep"));
  writeFileSync(join(workspace, "c.yml"), app(""));
  writeFileSync(join(workspace, "deep/d.yml"), app("env_file: ../outside"));
  const files = [join(workspace, "c.yml"), join(workspace, "deep/d.yml")];
  await expect(renderFiles(files)).rejects.toMatchObject({ failure: { field: "env_file" } });
});

test("a .env that leads out of the repository is not read", async () => {
  symlinkSync(join(folder, "outside"), join(workspace, ".env"));
  await expect(render(app('environment: { A: "$SECRET" }'))).rejects.toMatchObject({ failure: { field: ".env" } });
});

test("what is rendered has its files taken in and holds no variable of the VM", async () => {
  writeFileSync(join(workspace, "app.env"), "FLAVOUR=sweet\n");
  const { file } = await render(app('env_file: app.env, environment: { A: "x${DOCKER_HOST}y$$z" }, volumes: [".:/w"]'));
  expect(file.services?.["app"]).toMatchObject({ environment: { FLAVOUR: "sweet", A: "xy$$z" } });
  expect(JSON.stringify(file.services?.["app"]?.["volumes"])).toContain(workspace);
});
