import { expect, test } from "vitest";
import { FailureError, parse } from "./failure.ts";
import { BranchName, failedAnswer, okAnswer, RepositoryUrl, resultSchema, Answer, Task, VmTask } from "./task.ts";
import { failure } from "./failure.ts";

const envelope = {
  v: 1,
  id: "0190a0a0-0000-7000-8000-000000000000",
  gitspaceId: "hello-k3v9x2",
  generation: 1,
  deadline: 1_900_000_000_000,
};
const provision = { ...envelope, type: "vm.provision", data: { pool: "default", homeDisk: "hello-k3v9x2" } };

const fieldOf = (work: () => unknown): string | undefined => {
  try {
    work();
  } catch (error) {
    return error instanceof FailureError ? error.failure.field : undefined;
  }
  return undefined;
};

test.each<[string, object]>([
  ["id", { ...provision, id: "1" }],
  ["gitspaceId", { ...provision, gitspaceId: "Hello" }],
  ["generation", { ...provision, generation: 0 }],
  ["generation", { ...provision, generation: 1.5 }],
  ["deadline", { ...provision, deadline: "soon" }],
  ["v", { ...provision, v: 2 }],
  ["type", { ...provision, type: "vm.explode" }],
  ["data.pool", { ...provision, data: { pool: "../etc", homeDisk: "a" } }],
  ["data.homeDisk", { ...provision, data: { pool: "default", homeDisk: "../../etc" } }],
  ["data.policy", { ...envelope, type: "vm.stop", data: { policy: "pause" } }],
  ["signature", { ...envelope, type: "gitspace.stop", data: {} }],
])("a task with a wrong %s names that field", (field, task) => {
  expect(fieldOf(() => parse(Task, task, "task"))).toBe(field);
});

test("a task with something more than it should have is refused", () => {
  expect(() => parse(VmTask, { ...provision, sudo: true }, "task")).toThrow(/sudo/);
});

test.each([
  "https://github.com/octocat/hello",
  "http://127.0.0.1:3000/git/sample.git",
  "https://git.example.com:8443/a/b/c.git",
  "https://例え.jp/a",
])("%s is a repository", (url) => {
  expect(RepositoryUrl.safeParse(url).success).toBe(true);
});

test.each([
  ["another protocol", "ssh://git@github.com/a/b"],
  ["a local file", "file:///etc/passwd"],
  ["git's command transport", "ext::sh -c touch% /tmp/x"],
  ["a scp address", "git@github.com:a/b.git"],
  ["an option", "--upload-pack=touch /tmp/x"],
  ["a user", "https://user@github.com/a/b"],
  ["a password", "https://:secret@github.com/a/b"],
  ["a host like an option", "https://-oProxyCommand=x/a"],
  ["no path", "https://github.com/"],
  ["a space", "https://github.com/a b"],
  ["a new line", "https://github.com/a\nb"],
  ["a zero byte", "https://github.com/a\u0000b"],
  ["a backslash", "https://github.com\\@evil.example/a"],
  ["nothing", ""],
  ["2,049 characters", `https://github.com/${"a".repeat(2_030)}`],
])("%s is no repository", (_what, url) => {
  expect(RepositoryUrl.safeParse(url).success).toBe(false);
});

test.each(["main", "feature/login", "release-1.2", "fix_#42", "v1.0.0", "日本"])("%s is a branch", (branch) => {
  expect(BranchName.safeParse(branch).success).toBe(true);
});

test.each([
  "-b",
  "--upload-pack=x",
  "/main",
  "main/",
  ".hidden",
  "a/.b",
  "a..b",
  "a//b",
  "a b",
  "a~1",
  "a^",
  "a:b",
  "a?",
  "a*",
  "a[b",
  "a\\b",
  "a@{1}",
  "a.lock",
  "a.lock/b",
  "main.",
  "a\nb",
  "a\u007fb",
  "",
])("%j is no branch", (branch) => {
  expect(BranchName.safeParse(branch).success).toBe(false);
});

test("answers carry the task's id and generation, and read back as they were", () => {
  const task = { id: envelope.id, generation: 7, type: "vm.stop" as const };
  const ok = okAnswer(task, { power: "gone" }, { total: 3 });
  expect(Answer.parse(JSON.parse(JSON.stringify(ok)))).toEqual({
    taskId: task.id,
    generation: 7,
    outcome: "ok",
    result: { power: "gone" },
    timings: { total: 3 },
  });
  expect(resultSchema("vm.stop").parse(ok.outcome === "ok" ? ok.result : null)).toEqual({ power: "gone" });
  const failed = failedAnswer(task, failure("no_capacity", "full"));
  expect(Answer.parse(JSON.parse(JSON.stringify(failed)))).toMatchObject({
    outcome: "failed",
    failure: { code: "no_capacity", retry: "later" },
  });
});
