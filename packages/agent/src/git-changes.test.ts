// What counts as work that is nowhere else, and that looking for it runs nothing that a repository's configuration names.
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askForChanges, hasGitChanges, overruling, tellsOfWork } from "./git-changes.ts";
import { run } from "./command.ts";

let site: string;
const env = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" };

beforeAll(() => {
  site = mkdtempSync(join(tmpdir(), "git-changes-"));
  chmodSync(site, 0o755);
});
afterAll(() => rmSync(site, { recursive: true, force: true }));

const author = ["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always"];
const at = (cwd: string, ...args: string[]) =>
  execFileSync("git", [...author, ...args], { cwd, stdio: "pipe", encoding: "utf8" });

/** A clone of a repository with one commit; everything in it is pushed. */
function pushedClone(): string {
  const folder = mkdtempSync(join(site, "clone-"));
  const origin = join(folder, "origin.git");
  const work = join(folder, "work");
  mkdirSync(origin);
  at(origin, "init", "--quiet", "--bare", "--initial-branch=main");
  at(folder, "clone", "--quiet", origin, work);
  at(work, "switch", "--quiet", "--create", "main");
  writeFileSync(join(work, "a.txt"), "a\n");
  at(work, "add", ".");
  at(work, "commit", "--quiet", "--message=first");
  at(work, "push", "--quiet", "origin", "main");
  return work;
}

function withSubmodule(): string {
  const inner = pushedClone();
  const outer = pushedClone();
  at(outer, "submodule", "--quiet", "add", join(inner, "../origin.git"), "sub");
  at(outer, "commit", "--quiet", "--message=submodule");
  at(outer, "push", "--quiet", "origin", "main");
  return outer;
}

test("a clone in which everything is pushed has no changes, nor has a folder without a repository", async () => {
  expect(await hasGitChanges(pushedClone(), env)).toBe(false);
  expect(await hasGitChanges(withSubmodule(), env)).toBe(false);
  expect(await hasGitChanges(site, env)).toBe(false);
  expect(await hasGitChanges(undefined, env)).toBe(false);
});

test.each<[string, (work: string) => void]>([
  ["an edit", (work) => writeFileSync(join(work, "a.txt"), "b\n")],
  ["a new file", (work) => writeFileSync(join(work, "b.txt"), "b\n")],
  ["a mode", (work) => chmodSync(join(work, "a.txt"), 0o755)],
  ["a commit", (work) => at(work, "commit", "--quiet", "--allow-empty", "--message=second")],
  [
    "a commit that no branch holds",
    (work) => {
      at(work, "checkout", "--quiet", "--detach");
      at(work, "commit", "--quiet", "--allow-empty", "--message=second");
    },
  ],
  [
    "a commit on another branch",
    (work) => {
      at(work, "switch", "--quiet", "--create", "other");
      at(work, "commit", "--quiet", "--allow-empty", "--message=second");
      at(work, "switch", "--quiet", "main");
    },
  ],
  [
    "a stash",
    (work) => {
      writeFileSync(join(work, "a.txt"), "b\n");
      at(work, "stash");
    },
  ],
])("%s is work that is nowhere else, in a repository and in its submodule", async (_what, change) => {
  const alone = pushedClone();
  change(alone);
  expect(await hasGitChanges(alone, env)).toBe(true);
  const outer = withSubmodule();
  change(join(outer, "sub"));
  expect(await hasGitChanges(outer, env)).toBe(true);
});

/** Settings by which a repository would have git run `program`, and what brings git to them. */
const hostile = (program: string): [string, string][] => [
  ["core.fsmonitor", program],
  ["core.hooksPath", join(program, "..")],
  ["core.sshCommand", program],
  ["core.pager", program],
  ["core.editor", program],
  ["core.askPass", program],
  ["core.alternateRefsCommand", program],
  ["diff.external", program],
  ["diff.evil.command", program],
  ["diff.evil.textconv", program],
  ["merge.evil.driver", program],
  ["filter.evil.clean", program],
  ["filter.evil.smudge", program],
  ["filter.evil.process", program],
  ["filter.evil.required", "true"],
  ["filter.a=b c.clean", program],
  ["gpg.program", program],
  ["gpg.ssh.program", program],
  ["log.showSignature", "true"],
  ["pager.status", program],
  ["alias.status", `!${program}`],
  ["alias.rev-list", `!${program}`],
  ["credential.helper", `!${program}`],
  ["remote.origin.uploadpack", program],
  ["uploadpack.packObjectsHook", program],
  ["submodule.sub.update", `!${program}`],
  ["trailer.x.command", program],
  ["interactive.diffFilter", program],
  ["sequence.editor", program],
];

function armed(): { work: string; ran: string } {
  const work = withSubmodule();
  const ran = join(work, "../ran");
  mkdirSync(ran);
  chmodSync(ran, 0o777);
  const program = join(work, "../evil");
  writeFileSync(program, `#!/bin/sh\ntouch "${ran}/$(id -u)-$(date +%N)"\ncat\n`, { mode: 0o755 });
  for (const each of [work, join(work, "sub")]) {
    writeFileSync(join(each, ".gitattributes"), "* filter=evil diff=evil merge=evil\n*.b filter=a=b\n");
    at(each, "add", ".gitattributes");
    at(each, "commit", "--quiet", "--message=attributes");
    for (const [key, value] of hostile(program)) at(each, "config", key, value);
    // Contents that git has to look at again, since their times do not tell.
    execFileSync("touch", ["-d", "2001-01-01", join(each, "a.txt")]);
  }
  return { work, ran };
}

test("looking runs nothing that a repository's configuration names, although git itself would", async () => {
  const { work, ran } = armed();
  expect(await hasGitChanges(work, env)).toBe(true);
  expect(readdirSync(ran)).toEqual([]);
  await run({ program: "git", args: ["status"], cwd: work, env, signal: AbortSignal.timeout(10_000) });
  expect(readdirSync(ran)).not.toEqual([]);
});

test("as another account git has that account's rights and no more", async () => {
  const { work } = armed();
  const account = { uid: 1_000, gid: 1_000 };
  expect(process.getuid?.()).toBe(0);
  execFileSync("chown", ["-R", "1000:1000", join(work, "..")]);
  chownSync(work, 1_000, 1_000);
  expect(await hasGitChanges(work, env, account)).toBe(true);
  const { git } = await import("./git.ts");
  const told = await git(["-c", "alias.who=!id -u; id -G; grep NoNewPrivs /proc/self/status", "who"], {
    cwd: work,
    env,
    signal: AbortSignal.timeout(10_000),
    as: account,
  });
  expect(told.output.map((line) => line.replaceAll(/\s+/g, " "))).toEqual(["1000", "1000", "NoNewPrivs: 1"]);
});

test("settings of the person stay as they are; those of the repository are overruled, whatever their name", () => {
  const lines = ["local\tfilter.evil.clean", "worktree\tfilter.a=b.required", "global\tfilter.lfs.clean"];
  expect(overruling(lines)).toEqual({
    GIT_CONFIG_COUNT: "2",
    GIT_CONFIG_KEY_0: "filter.evil.clean",
    GIT_CONFIG_VALUE_0: "",
    GIT_CONFIG_KEY_1: "filter.a=b.required",
    GIT_CONFIG_VALUE_1: "false",
  });
});

test("no answer is not the answer that nothing would be lost", async () => {
  expect(tellsOfWork("status", { code: 128, output: ["fatal: index file corrupt"] })).toBe(true);
  expect(tellsOfWork("status", { code: null, output: [] })).toBe(true);
  expect(tellsOfWork("rev-list", { code: 127, output: ["git: not found"] })).toBe(true);
  expect(tellsOfWork("rev-list", { code: 128, output: ["fatal: bad revision 'HEAD'"] })).toBe(false);
  const many = Array.from({ length: 200 }, (_, index) => `local\tfilter.f${index}.clean`);
  const asked: (readonly string[])[] = [];
  const ask = async (args: readonly string[]) => {
    asked.push(args);
    return await Promise.resolve({ code: 0, output: many });
  };
  expect(await askForChanges(ask)).toBe(true);
  expect(asked).toHaveLength(1);
});

test("a repository without a commit, and one whose submodule was never fetched, have no changes", async () => {
  const empty = mkdtempSync(join(site, "empty-"));
  at(empty, "init", "--quiet");
  expect(await hasGitChanges(empty, env)).toBe(false);
  const outer = withSubmodule();
  const bare = mkdtempSync(join(site, "bare-"));
  at(bare, "clone", "--quiet", join(outer, "../origin.git"), "work");
  expect(existsSync(join(bare, "work/sub/.git"))).toBe(false);
  expect(await hasGitChanges(join(bare, "work"), env)).toBe(false);
});
