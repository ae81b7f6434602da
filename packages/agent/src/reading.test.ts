// What is read from the kernel, from git and from URLs, by table.
import { expect, test } from "vitest";
import { repositoryName } from "./clone.ts";
import { credentialLine } from "./git-credentials.ts";
import { explainClone } from "./git-failure.ts";
import { parseListeners } from "./listening-ports.ts";
import { descendants, parseStat } from "./process-tree.ts";

test("only sockets that listen where loopback reaches them count", () => {
  const row = (local: string, state: string, inode: number) =>
    `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 100 0 0 10 0`;
  const table = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    row("0100007F:0BB8", "0A", 1),
    row("00000000:1F90", "0A", 2),
    row("0100007F:0BB9", "01", 3),
    row("0200A8C0:0BBA", "0A", 4),
    row("00000000000000000000000001000000:0BBB", "0A", 5),
    row("00000000000000000000000000000000:0BBC", "0A", 6),
    row("0000000000000000FFFF00000100007F:0BBD", "0A", 7),
    row("B80D01200000000000000000010000FF:0BBE", "0A", 8),
    "",
  ].join("\n");
  expect(parseListeners(table)).toEqual([
    { port: 3000, inode: "1" },
    { port: 8080, inode: "2" },
    { port: 3003, inode: "5" },
    { port: 3004, inode: "6" },
    { port: 3005, inode: "7" },
  ]);
});

test("a process's name may hold anything, and a dead one is none", () => {
  const rest = "7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
  expect(parseStat(`12 (odd) name) S ${rest}`)).toEqual({ pid: 12, parent: 7, startedAt: "4242" });
  expect(parseStat(`12 (gone) Z ${rest}`)).toBeUndefined();
  expect(parseStat("")).toBeUndefined();
});

test("descendants are found however deep, and nobody else", () => {
  const of = (pid: number, parent: number) => ({ pid, parent, startedAt: "1" });
  const all = [of(2, 1), of(3, 2), of(4, 3), of(5, 1), of(6, 5)];
  expect(descendants(all, 2).map(({ pid }) => pid)).toEqual([3, 4]);
});

test.each([
  ["https://example.com/team/hello.git", "hello"],
  ["https://example.com/team/hello", "hello"],
  ["https://example.com/hello/", "hello"],
  ["https://example.com/..%2f..%2fetc.git", "etc"],
  ["https://example.com/.git", "workspace"],
  ["https://example.com/%E0%A4%A", "E0-A4-A"],
  ["https://example.com/a%20b%3Bc.git", "a-b-c"],
  ["https://example.com/-rf.git", "rf"],
])("the repository %s stands in %s", (url, name) => {
  expect(repositoryName(url)).toBe(name);
});

test("credentials go to exactly the host they are for", () => {
  const secrets = { git: [{ host: "example.com", username: "a@b", password: "p/w:\n" }] };
  expect(credentialLine("https://example.com/x.git", secrets)).toBe("https://a%40b:p%2Fw%3A%0A@example.com\n");
  expect(credentialLine("https://example.com:8443/x.git", secrets)).toBeUndefined();
  expect(credentialLine("https://evil-example.com/x.git", secrets)).toBeUndefined();
});

test.each([
  ["fatal: Remote branch nope not found in upstream origin", "bad_request", "never"],
  ["fatal: could not read Username for 'https://h': terminal prompts disabled", "repository_unreachable", "never"],
  ["fatal: unable to access 'https://h/x/': Could not resolve host: h", "repository_unreachable", "later"],
  ["fatal: unable to access 'x': SSL certificate problem: self-signed certificate", "repository_unreachable", "later"],
  ["fatal: unable to access 'x': The requested URL returned error: 503", "repository_unreachable", "later"],
  ["fatal: repository 'https://h/x.git/' not found", "repository_unreachable", "never"],
  ["fatal: write error: No space left on device", "disk_full", "later"],
  ["something never seen", "repository_unreachable", "later"],
])("git's words %s mean %s", (line, code, retry) => {
  expect(explainClone(["Cloning", line], "https://h/x.git", "nope")).toMatchObject({ code, retry });
});
