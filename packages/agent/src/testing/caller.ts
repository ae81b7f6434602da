// Somebody who calls an agent under a certificate: requests, the events of a task to their end, tunnels.
import { once } from "node:events";
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { request, type RequestOptions } from "node:https";
import { createInterface } from "node:readline";
import { json } from "node:stream/consumers";
import type { Duplex } from "node:stream";
import { type Answer, type TaskEvent, TaskStreamLine } from "@gitspaces/contracts";
import { clientTls, type TlsIdentity } from "@gitspaces/daemon/certificates";

export type Reply = { status: number; body: Record<string, unknown> };
export type Followed = { events: TaskEvent[]; answer: Answer };

export type Connected = { status: number; headers: IncomingHttpHeaders; socket: Duplex; body: string };

export class Caller {
  readonly #base: RequestOptions;

  /** `agents` is the installation that the agent is of, should it be another than the caller's. */
  constructor(identity: TlsIdentity, port: number, agents = identity.installation) {
    const tls = clientTls({ ...identity, installation: agents }, { role: "vm" });
    this.#base = { ...tls, host: "127.0.0.1", port, agent: false };
  }

  async #send(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
    const sending = request({ ...this.#base, method, path });
    sending.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await once(sending, "response")) as [IncomingMessage];
    return response;
  }

  async call(method: string, path: string, body?: unknown): Promise<Reply> {
    const response = await this.#send(method, path, body);
    return { status: response.statusCode ?? 0, body: (await json(response)) as Record<string, unknown> };
  }

  /** Every event of a task after `after`, and its answer. Without an answer the stream was cut. */
  async follow(taskId: string, after = 0, onEvent?: (event: TaskEvent) => void): Promise<Followed> {
    const response = await this.#send("GET", `/tasks/${taskId}/events?after=${after}`);
    const events: TaskEvent[] = [];
    for await (const text of createInterface({ input: response })) {
      const line = TaskStreamLine.parse(JSON.parse(text));
      if ("answer" in line) return { events, answer: line.answer };
      if ("event" in line) {
        events.push(line.event);
        onEvent?.(line.event);
      }
    }
    throw new Error("the stream ended without an answer");
  }

  /** Sends a task and follows it to its answer. */
  async perform(task: { id: string }): Promise<Followed> {
    const taken = await this.call("POST", "/tasks", task);
    if (taken.status !== 202) throw new Error(`not taken: ${JSON.stringify(taken.body)}`);
    return await this.follow(task.id);
  }

  async connect(target: string, headers: OutgoingHttpHeaders = {}): Promise<Connected> {
    const sending = request({ ...this.#base, method: "CONNECT", path: target, headers });
    sending.end();
    const [response, socket, head] = (await once(sending, "connect")) as [IncomingMessage, Duplex, Buffer];
    return { status: response.statusCode ?? 0, headers: response.headers, socket, body: head.toString() };
  }
}
