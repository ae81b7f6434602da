// An enrolment listener for tests: it answers what it is told to and remembers what it was asked.
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export type Asked = { path: string; body: Record<string, string> };
export type Reply = { status: number; body: unknown };
export type Listener = { url: string; asked: Asked[] } & AsyncDisposable;

/** Listens on a free port with this key and chain (PEM). */
export async function startListener(
  shown: { key: string; chain: string },
  answer: (asked: Asked) => Reply | Promise<Reply> = () => ({ status: 500, body: {} }),
): Promise<Listener> {
  const asked: Asked[] = [];
  const server = createServer({ key: shown.key, cert: shown.chain, minVersion: "TLSv1.3" });
  server.on("request", (request, response) => {
    void (async () => {
      const one = { path: request.url ?? "", body: JSON.parse(await text(request)) as Asked["body"] };
      asked.push(one);
      const { status, body } = await answer(one);
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
