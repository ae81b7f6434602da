// What a VM of a cloud is told about itself, fetched by the program of the image from a stand-in for the metadata service.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";

const program = fileURLToPath(new URL("../../deploy/image/bin/fetch-metadata.mjs", import.meta.url));
const execute = promisify(execFile);
const attribute = "/computeMetadata/v1/instance/attributes/gitspaces-agent";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gs-image-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function fetchFrom(service: RequestListener): Promise<string> {
  const server = createServer(service);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const file = join(folder, "metadata.json");
  try {
    await execute(process.execPath, [program, file], { env: { GCE_METADATA_HOST: host }, timeout: 20_000 });
    return file;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("the instance's attribute becomes a file for root alone, also of a service that is not ready at once", async () => {
  let asked = 0;
  const file = await fetchFrom((request, answer) => {
    const isProper = request.url === attribute && request.headers["metadata-flavor"] === "Google";
    if (asked++ === 0 || !isProper) answer.writeHead(503).end();
    else answer.end('{"instanceId":"vm-1"}');
  });
  expect(readFileSync(file, "utf8")).toBe('{"instanceId":"vm-1"}');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["metadata.json"]);
});

test("an instance that nobody made for this says so at once and leaves no file", async () => {
  const fetching = fetchFrom((_, answer) => answer.writeHead(404).end());
  await expect(fetching).rejects.toThrow("This instance has no attribute gitspaces-agent");
  expect(readdirSync(folder)).toEqual([]);
});

test("what is no JSON is not written", async () => {
  await expect(fetchFrom((_, answer) => answer.end("<html>"))).rejects.toThrow("JSON");
  expect(readdirSync(folder)).toEqual([]);
});
