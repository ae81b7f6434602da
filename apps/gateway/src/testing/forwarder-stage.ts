// Where the claims of a forwarder are played: it stands between a real client and a real server, and every socket is counted.
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type RequestOptions,
  type Server,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Forwarder, Tunnel, Upstream } from "../forwarder.ts";
import { headerPolicy } from "../header-policy.ts";
import { answerOn } from "../upgrade.ts";
import { until } from "./street.ts";

type Answer = {
  status: number;
  reason: string;
  headers: IncomingMessage["headers"];
  rawHeaders: string[];
  trailers: NodeJS.Dict<string>;
  body: Buffer;
};

export type Stage = {
  port: number;
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  onUpgrade: (request: IncomingMessage, socket: Socket, head: Buffer) => void;
  seen: IncomingMessage[];
  /** Upstream sockets that are open, and how many were ever made. */
  open: Set<Socket>;
  connections: number;
  /** Requests and upgrades that the forwarder is not done with. */
  pending: number;
  end(): void;
  /** Waits until no upstream socket is left, and the forwarder is done with everything. */
  quiet(): Promise<void>;
  ask(options: RequestOptions, body?: (string | Buffer)[]): Promise<Answer>;
} & AsyncDisposable;

export async function openStage(forwarder: Forwarder): Promise<Stage> {
  const life = new AbortController();
  const inside = createServer((request, response) => {
    stage.seen.push(request);
    stage.answer(request, response);
  });
  inside.on("connection", (socket: Socket) => {
    stage.connections++;
    stage.open.add(socket);
    socket.on("close", () => stage.open.delete(socket));
  });
  inside.on("upgrade", (request, socket: Socket, head) => {
    socket.on("error", () => socket.destroy());
    stage.onUpgrade(request, socket, head);
  });
  const insidePort = await listen(inside);
  const upstream: Upstream = {
    ended: life.signal,
    async dial(signal) {
      const socket = connect({ port: insidePort, host: "127.0.0.1", allowHalfOpen: true });
      await once(socket, "connect", { signal });
      socket.on("error", () => {});
      return socket;
    },
  };
  const policyOf = (): ReturnType<typeof headerPolicy> =>
    headerPolicy({ host: "h", scheme: "http", clientAddress: "127.0.0.1", installation: "test" });
  const tell = (response: () => ServerResponse) => (error: { failure?: { code: string } }) => {
    const told = response();
    if (!told.socket?.destroyed && !told.headersSent) told.writeHead(502).end(error.failure?.code ?? "internal");
  };
  const never = new AbortController().signal;
  const follow = (work: Promise<Tunnel | undefined>, response: () => ServerResponse): void => {
    stage.pending++;
    work
      .then((tunnel) => tunnel?.over)
      .catch(tell(response))
      .finally(() => stage.pending--);
  };
  const outside = createServer((request, response) =>
    follow(forwarder.forward(request, response, upstream, policyOf(), never), () => response),
  );
  outside.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    follow(forwarder.upgrade(request, socket, head, upstream, policyOf(), never), () => answerOn(request, socket));
  });
  const clients = new Set<Socket>();
  outside.on("connection", (socket: Socket) => {
    clients.add(socket);
    socket.on("close", () => clients.delete(socket));
  });
  const stage: Stage = {
    port: await listen(outside),
    answer: (_request, response) => void response.end(),
    onUpgrade: (_request, socket) => socket.destroy(),
    seen: [],
    open: new Set(),
    connections: 0,
    pending: 0,
    end: () => life.abort(),
    quiet: () => until(() => stage.open.size === 0 && stage.pending === 0, "no upstream socket is left"),
    ask: (options, body) => ask({ port: stage.port, host: "127.0.0.1", agent: false, ...options }, body),
    async [Symbol.asyncDispose]() {
      life.abort();
      for (const server of [outside, inside]) server.close();
      for (const socket of [...stage.open, ...clients]) socket.destroy();
      await until(() => stage.open.size + clients.size + stage.pending === 0, "everything is closed");
    },
  };
  return stage;
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function ask(options: RequestOptions, body: (string | Buffer)[] = []): Promise<Answer> {
  const asked = httpRequest(options);
  const answered = once(asked, "response") as Promise<[IncomingMessage]>;
  const writing = (async () => {
    for (const part of body) if (!asked.write(part)) await once(asked, "drain");
    asked.end();
  })();
  const [answer] = await answered;
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  await writing;
  const { statusCode = 0, statusMessage = "", headers, rawHeaders, trailers } = answer;
  return { status: statusCode, reason: statusMessage, headers, rawHeaders, trailers, body: Buffer.concat(chunks) };
}

/** Reads on until the text so far contains a word; gives all of it. */
export function reader(socket: Socket): (word: string) => Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  return async (word) => {
    await until(() => text.includes(word), `"${word}" arrived; so far "${text}"`);
    return text;
  };
}

export function hash(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
