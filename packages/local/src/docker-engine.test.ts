import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findEngine } from "./docker-engine.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "engine-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("no engine: the socket and the cure are named", async () => {
  await expect(findEngine({ DOCKER_HOST: `unix://${folder}/none.sock` })).rejects.toMatchObject({
    failure: {
      code: "unsupported",
      field: "DOCKER_HOST",
      message:
        `No Docker engine answers on unix://${folder}/none.sock (ENOENT). Install one (as root on Debian: ` +
        "apt-get install docker.io), start it, or name its socket in DOCKER_HOST.",
    },
  });
});

test("an engine on another machine can not carry VMs", async () => {
  await expect(findEngine({ DOCKER_HOST: "tcp://10.0.0.9:2375" })).rejects.toThrow(
    "DOCKER_HOST is tcp://10.0.0.9:2375; VMs need an engine on this machine, by its socket",
  );
});

test("what the engine refuses is told in its own words", async () => {
  const socket = join(folder, "docker.sock");
  const server = createServer((request, response) => {
    if (request.url === "/_ping") response.end("OK");
    else response.writeHead(404).end('{"message":"network gs-x not found"}');
  }).listen(socket);
  await once(server, "listening");
  const engine = await findEngine({ DOCKER_HOST: `unix://${socket}` });
  await expect(engine.call("GET", "/networks/gs-x")).rejects.toMatchObject({
    failure: { code: "not_found", message: "The Docker engine answered 404: network gs-x not found" },
  });
  server.close();
});
