// A way to a git server that lets nobody through until it is opened: a clone that has begun, and goes nowhere.
import { once } from "node:events";
import { createServer, request as ask } from "node:http";
import type { AddressInfo } from "node:net";

export type Gate = AsyncDisposable & {
  readonly port: number;
  /** How many requests have come to a gate that was closed. */
  readonly held: number;
  open(): void;
};

/** Opens it on every address of the machine, closed; `origin` is where it leads. */
export async function closedGate(origin: () => string): Promise<Gate> {
  let isOpen = false;
  let held = 0;
  const server = createServer((request, response) => {
    if (!isOpen) {
      held += 1;
      return;
    }
    const { method, headers } = request;
    const onward = ask(new URL(request.url ?? "/", origin()), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    get held() {
      return held;
    },
    open: () => void (isOpen = true),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
