import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { findListener } from "./listener.ts";
import { checkPorts, portsFrom } from "./ports.ts";

test("ports are fixed offsets from the base", () => {
  expect(portsFrom(8000)).toMatchObject({
    control_plane: 8000,
    gateway: 8001,
    redis: 8005,
    sample: 8006,
    runner_admin: 8012,
  });
});

test.each([80, 65_530, Number.NaN, 7400.5])("a base of %s is refused, and the range is named", (base) => {
  expect(() => portsFrom(base)).toThrow("--port-base should be a whole number from 1024 to 65521");
});

test("a port in use is named with its holder and the way out", async () => {
  await using holder = createServer();
  holder.listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = holder.address() as AddressInfo;
  const ports = { ...portsFrom(port - 1), control_plane: port };
  await expect(checkPorts(ports)).rejects.toThrow(`Port ${port} (control plane) is in use by`);
  await expect(checkPorts(ports)).rejects.toThrow(`(pid ${process.pid})`);
  await expect(checkPorts(ports)).rejects.toThrow("bin/up --port-base");
});

test("nobody is found behind a port where nobody listens", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  expect(findListener(port)?.pid).toBe(process.pid);
  server.close();
  await once(server, "close");
  expect(findListener(port)).toBeUndefined();
});
