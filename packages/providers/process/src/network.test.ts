import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { pickNetwork, rememberedNetwork } from "./network.ts";
import { usableLines } from "./resolver.ts";
import { inheritedEnvironment } from "./sandbox.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

test("an installation keeps its network", async () => {
  const folder = await dataFolder();
  const picked = await pickNetwork(folder);
  expect(await pickNetwork(folder)).toEqual(picked);
  expect(await rememberedNetwork(folder)).toBe(picked.network);
  expect(picked.enrolAddress).toBe(picked.network.replace(".0.0/16", ".0.1"));
});

test("installations side by side never have the same network, also when they pick at the same time", async () => {
  const all = await Promise.all(Array.from({ length: 12 }, async () => pickNetwork(await dataFolder())));
  expect(new Set(all.map(({ network }) => network)).size).toBe(all.length);
});

test("a network is never one that the machine's nameserver is in", async () => {
  const [, used] = /nameserver 10\.(\d+)/.exec(await readFile("/etc/resolv.conf", "utf8")) ?? [];
  expect((await pickNetwork(await dataFolder())).network).not.toBe(`10.${used}.0.0/16`);
});

test("a VM is told the nameservers it can reach, with search list and options", () => {
  const text =
    "# made by hand\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nnameserver fe80::1\nsearch example.dev\noptions ndots:2\n";
  expect(usableLines(text)).toBe("nameserver 10.0.0.2\nsearch example.dev\noptions ndots:2\n");
  expect(usableLines("nameserver 127.0.0.53\n")).toBe("");
});

test("a VM inherits proxies without passwords and certificates it can see, and nothing else", () => {
  const own = { HTTPS_PROXY: "http://proxy:3128", SSL_CERT_FILE: "/etc/ssl/certs/ca-certificates.crt" };
  const kept = {
    http_proxy: "http://user:password@proxy:3128",
    NODE_EXTRA_CA_CERTS: "/root/ca.pem",
    TOKEN: "secret",
    PATH: "/bin",
  };
  expect(inheritedEnvironment({ ...own, ...kept })).toEqual(own);
});

async function dataFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gitspaces-network-"));
  folders.push(folder);
  return folder;
}
