// A cloud of its own for runners in processes of their own: the fake provider behind a socket, where nobody's death takes it along.
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { FailureError, Failure, fail, parse, toFailure } from "@gitspaces/contracts";
import type { Call, Provider } from "@gitspaces/providers";
import { type FakeProvider, fakeProvider } from "./fake-provider.ts";

/** What changed the cloud, in order, and which runner asked for it. */
export type Change = { at: number; by: string; operation: string; id: string };
export type Cloud = AsyncDisposable & { url: string; provider: FakeProvider; changes: Change[] };

const reading = new Set(["get", "list", "listDisks", "diagnose"]);
const called = [...reading, "create", "label", "remove", "createDisk", "attachDisk", "detachDisk", "removeDisk"];

/** Opens it on a free port. */
export async function openCloud(options: Parameters<typeof fakeProvider>[0] = {}): Promise<Cloud> {
  const provider = fakeProvider(options);
  const changes: Change[] = [];
  const operations = provider as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;

  async function answer(request: IncomingMessage): Promise<unknown> {
    const [, by = "", operation = ""] = (request.url ?? "").split("/");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const args = JSON.parse(Buffer.concat(chunks).toString()) as unknown[];
    const run = operations[operation];
    if (run === undefined || !called.includes(operation)) throw fail("not_found", `no ${operation} here`);
    const [first] = args;
    const id = typeof first === "string" ? first : ((first as { id?: string } | undefined)?.id ?? "");
    if (!reading.has(operation)) changes.push({ at: performance.now(), by, operation, id });
    return await run(...args, { key: "", signal: new AbortController().signal } satisfies Call);
  }

  const server = createServer((request, response) => {
    answer(request).then(
      (value) => response.end(JSON.stringify({ value: value ?? null })),
      (error: unknown) => response.writeHead(500).end(JSON.stringify(toFailure(error))),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    provider,
    changes,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await provider[Symbol.asyncDispose]();
    },
  };
}

/** The provider of the runner of this name in that cloud. */
export function cloudProvider(url: string, by: string): Provider {
  const capabilities = { suspend: false, snapshot: false, isolated: false };
  return new Proxy({ kind: "cloud", capabilities } as unknown as Provider, {
    get(target, key) {
      if (typeof key !== "string" || !called.includes(key)) return Reflect.get(target, key) as unknown;
      return async (...args: unknown[]) => {
        const { signal } = args.at(-1) as Call;
        const body = JSON.stringify(args.slice(0, -1));
        const response = await fetch(`${url}/${by}/${key}`, { method: "POST", body, signal });
        const answered: unknown = await response.json();
        if (!response.ok) throw new FailureError(parse(Failure, answered, "failure"));
        return (answered as { value: unknown }).value ?? undefined;
      };
    },
  });
}
