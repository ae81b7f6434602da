import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type RedisCertificate, redisCertificate } from "../../deploy/docker/redis-certificate.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;
let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "redis-certificate-"))));
afterEach(() => rmSync(folder, { recursive: true }));

function keep({ key, certificate }: RedisCertificate): void {
  writeFileSync(join(folder, "key.pem"), key);
  writeFileSync(join(folder, "certificate.pem"), certificate);
}

/** Whether a client that trusts this certificate alone takes a server with it for `name`. */
async function isTaken({ key, certificate }: RedisCertificate, name: string): Promise<boolean> {
  const server = createServer({ key, cert: certificate, minVersion: "TLSv1.3" }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: "127.0.0.1", ca: certificate, servername: name });
  const taken = await once(socket, "secureConnect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  server.close();
  await once(server, "close");
  return taken;
}

test("whoever trusts the certificate takes it for each of its names, and for no other", async () => {
  const made = await redisCertificate(folder, ["redis", "vm1.example.com"], Date.now());
  expect(await isTaken(made, "redis")).toBe(true);
  expect(await isTaken(made, "vm1.example.com")).toBe(true);
  expect(await isTaken(made, "vm2.example.com")).toBe(false);
});

test("it stays as it is until it lacks a name or nears its end", async () => {
  const now = Date.now();
  const first = await redisCertificate(folder, ["redis", "10.0.0.1"], now);
  keep(first);
  expect(await redisCertificate(folder, ["redis", "10.0.0.1"], now + 300 * DAY_MS)).toEqual(first);
  expect(await redisCertificate(folder, ["redis", "10.0.0.2"], now)).not.toEqual(first);
  expect(await redisCertificate(folder, ["redis", "10.0.0.1"], now + 3_600 * DAY_MS)).not.toEqual(first);
});
