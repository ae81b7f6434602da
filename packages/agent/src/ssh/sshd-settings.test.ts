// What a session begins with, tried on real shells.
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { enterScript } from "./sshd-settings.ts";

const folder = mkdtempSync(join(tmpdir(), "it's a "));

function enter(env: Record<string, string>, asked?: string): string {
  const script = join(folder, "enter");
  writeFileSync(script, enterScript({ folder, env, sftpServer: "/bin/echo sftp" }));
  const given = {
    PATH: "/usr/bin:/bin",
    HOME: "/",
    SHELL: "/bin/sh",
    ...(asked === undefined ? {} : { SSH_ORIGINAL_COMMAND: asked }),
  };
  return execFileSync("/bin/sh", [script], {
    env: given,
    encoding: "utf8",
    input: asked === undefined ? "pwd" : "",
  }).trim();
}

test("a value of the environment arrives as it is, whatever it holds", () => {
  const value = `a'b"c $HOME \`id\`\nsecond line\\`;
  expect(enter({ VALUE: value }, 'printf %s "$VALUE"')).toBe(value);
});

test("a shell's own variables, the session's and names that no shell knows are left out", () => {
  const env = { UID: "7", PPID: "7", TERM: "dumb", SSH_AUTH_SOCK: "/x", "with-dash": "7", "x;id": "7", KEPT: "yes" };
  expect(enter(env, 'echo "$KEPT ${SSH_AUTH_SOCK-none}"')).toBe("yes none");
});

test("commands, shells without a command and sftp all begin in the workspace", () => {
  expect(enter({}, "pwd")).toBe(folder);
  expect(enter({})).toBe(folder);
  expect(enter({}, "gitspaces-sftp")).toBe(`sftp -d ${folder}`);
});

test("what a command asked for is in no variable afterwards", () => {
  expect(enter({}, 'echo "${SSH_ORIGINAL_COMMAND-gone} ${asked-gone} ${told-gone}"')).toBe("gone gone gone");
});
