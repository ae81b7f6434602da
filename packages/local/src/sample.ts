// The sample repository: plain files shipped with the project, made into a bare git repository once per data folder.
import { execFile } from "node:child_process";
import { cpSync, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { packExtension } from "./vsix.ts";

const run = promisify(execFile);
const shipped = fileURLToPath(new URL("../sample/", import.meta.url));

/** Makes `<dataFolder>/sample/hello.git` if it is not there. Gives the folder that holds it. */
export async function keepSample(dataFolder: string): Promise<string> {
  const folder = join(dataFolder, "sample");
  if (existsSync(join(folder, "hello.git"))) return folder;
  const files = join(folder, "hello.files");
  rmSync(files, { recursive: true, force: true });
  copySample(files);
  await makeBareRepository(files, join(folder, "hello.git"));
  rmSync(files, { recursive: true });
  return folder;
}

/** Writes the files of the sample repository to a new folder, its extension packed as VS Code installs it. */
export function copySample(to: string): void {
  cpSync(join(shipped, "hello"), to, { recursive: true });
  writeFileSync(join(to, ".devcontainer", "hello.vsix"), packExtension(join(shipped, "hello-extension")));
}

/** A bare repository whose one commit, on `main`, holds the files of a folder. One that is there stays as it is. */
export async function makeBareRepository(from: string, bare: string): Promise<void> {
  if (existsSync(bare)) return;
  const making = `${bare}.new`;
  rmSync(making, { recursive: true, force: true });
  await git(["init", "--quiet", "--bare", "--initial-branch=main", making]);
  await git(["-C", making, "config", "http.receivepack", "true"]);
  // From the folder itself, so that no ignore file of a surrounding repository has a say.
  const here = ["--git-dir", making, "--work-tree", from];
  await git([...here, "add", "--all", "--force", "."], from);
  await git([...here, "commit", "--quiet", "--message", "Say hello"], from);
  renameSync(making, bare);
}

async function git(args: string[], cwd?: string): Promise<void> {
  await run("git", args, {
    ...(cwd === undefined ? {} : { cwd }),
    env: {
      PATH: process.env["PATH"],
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_AUTHOR_NAME: "Gitspaces",
      GIT_AUTHOR_EMAIL: "gitspaces@localhost",
      GIT_COMMITTER_NAME: "Gitspaces",
      GIT_COMMITTER_EMAIL: "gitspaces@localhost",
    },
  });
}
