import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ownCertificates, proxyArguments, writeCertificates } from "./vm-image-surroundings.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gs-image-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const certificate = (content: string) => `-----BEGIN CERTIFICATE-----\n${content}\n-----END CERTIFICATE-----`;

test("a company's certificates come from the machine's folder and NODE_EXTRA_CA_CERTS, each once", () => {
  const bundle = join(folder, "bundle.pem");
  writeFileSync(join(folder, "one.crt"), `${certificate("one")}\n`);
  writeFileSync(bundle, `# two\n${certificate("two")}\r\n${certificate("one")}\n`);

  expect(ownCertificates({ NODE_EXTRA_CA_CERTS: bundle }, folder)).toEqual([certificate("one"), certificate("two")]);
});

test("the system's own list is in every image already; a folder or file that is missing holds none", () => {
  const env = { NODE_EXTRA_CA_CERTS: "/etc/ssl/certs/ca-certificates.crt" };
  expect(ownCertificates(env, join(folder, "nowhere"))).toEqual([]);
  expect(ownCertificates({ NODE_EXTRA_CA_CERTS: "/nowhere/at/all" }, folder)).toEqual([]);
});

test("each certificate gets a file of its own, with the ending that the system's tool looks for", async () => {
  await writeCertificates(folder, [certificate("one"), certificate("two")]);
  expect(readdirSync(folder)).toEqual([expect.stringMatching(/\.crt$/), expect.stringMatching(/\.crt$/)]);
});

test("proxies are handed on in both spellings, and never with a password", () => {
  expect(proxyArguments({ HTTPS_PROXY: "http://proxy:3128", http_proxy: "http://me:secret@proxy:3128" })).toEqual({
    https_proxy: "http://proxy:3128",
    HTTPS_PROXY: "http://proxy:3128",
  });
  expect(proxyArguments({})).toEqual({});
});
