// A session between a person's client and a workplace that answers at once, both of them ssh2's.
import { once } from "node:events";
import type { AddressInfo, Server as NetServer } from "node:net";
import ssh2, { type Client, type Connection, type Session } from "ssh2";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makePrivateKey } from "./private-key.ts";
import { serveSession } from "./session.ts";

const opened = new AsyncDisposableStack();
let workplace: Client;
let person: Client;

beforeAll(async () => {
  const portOfWorkplace = await serve((session) =>
    // Success, output, exit status and end leave in one piece: whoever listens only after the success misses the rest.
    session.on("exec", (accept, _reject, { command }) => {
      const channel = accept();
      channel.write("said");
      channel.exit(Number(command));
      channel.end();
    }),
  );
  workplace = await connect(portOfWorkplace);
  const portOfGateway = await serve((session) =>
    serveSession(
      session,
      async () => workplace,
      () => {},
    ),
  );
  person = await connect(portOfGateway);
});
afterAll(() => opened.disposeAsync());

async function serve(onSession: (session: Session) => void): Promise<number> {
  const server = new ssh2.Server({ hostKeys: [makePrivateKey()] }, (connection: Connection) => {
    connection.on("error", () => {});
    connection.on("authentication", (asked) => asked.accept());
    connection.on("session", (accept) => onSession(accept()));
  });
  server.listen(0, "127.0.0.1");
  await once(server as unknown as NetServer, "listening");
  opened.defer(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function connect(port: number): Promise<Client> {
  const client = new ssh2.Client();
  client.on("error", () => {});
  client.connect({ host: "127.0.0.1", port, username: "person", password: "any" });
  await once(client, "ready");
  opened.defer(() => void client.end());
  return client;
}

function exec(command: string): Promise<{ code: number; out: string }> {
  return new Promise((resolve, reject) => {
    person.exec(command, (error, channel) => {
      if (error !== undefined) return reject(error);
      let [code, out] = [-1, ""];
      channel.on("data", (bytes: Buffer) => void (out += bytes.toString()));
      channel.on("exit", (status: number) => void (code = status));
      channel.on("close", () => resolve({ code, out }));
    });
  });
}

test("a program that ends as soon as it began has its own exit status, not that of nothing", async () => {
  const all = await Promise.all(Array.from({ length: 8 }, (_, code) => exec(String(code))));
  expect(all).toEqual(Array.from({ length: 8 }, (_, code) => ({ code, out: "said" })));
});
