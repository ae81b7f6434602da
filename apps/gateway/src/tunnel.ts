// The way to a port of a VM: a connection to its agent, then CONNECT (RFC 9110 section 9.3.6) to a port of its own localhost.
import { validateHeaderName, validateHeaderValue } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { fail } from "@gitspaces/contracts";
import { type AgentDestination, connectAgent } from "./agent-connection.ts";

export const DIAL_MS = 5_000;
/** What an agent may say before the connection is through. */
const LARGEST_HEAD = 8 * 1024;
/** Failures that carry this detail mean: the VM is well, but nothing listens on the port. */
export const NOT_LISTENING = "not_listening";

export type Destination = AgentDestination & {
  port: number;
  /** What the agent is told with the CONNECT. */
  headers?: Readonly<Record<string, string>> | undefined;
};

/**
 * A socket to a port inside the VM, before a deadline of five seconds, unless one of the signals aborts first.
 * @throws {FailureError} `vm_unreachable` (with the detail `not_listening` when only the port is closed), `denied`, or `timeout`.
 */
export async function dialPort(destination: Destination, signals: readonly AbortSignal[]): Promise<Socket> {
  const head = connectHead(destination);
  const over = new AbortController();
  let isLate = false;
  const leave = (): void => over.abort();
  const timer = setTimeout(() => {
    isLate = true;
    leave();
  }, DIAL_MS);
  // By hand: signals that live as long as a route would keep a trace of each dial that AbortSignal.any had joined to them.
  for (const signal of signals) {
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
  }
  try {
    const socket = await connectAgent(destination, over.signal);
    return await connectPort(socket, destination.port, head, over.signal);
  } catch (error) {
    if (isLate)
      throw fail("timeout", `The Gitspace's VM did not answer within ${DIAL_MS / 1_000} s.`, { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener("abort", leave);
  }
}

/** Asks the agent for the port. Read by hand, since a parser of HTTP for these few bytes costs more than the rest of a dial. */
function connectPort(socket: TLSSocket, port: number, head: string, signal: AbortSignal): Promise<Socket> {
  if (signal.aborted) {
    socket.destroy();
    throw fail("cancelled", "Nobody waits for the connection any more.");
  }
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const leave = (): void => {
      signal.removeEventListener("abort", abandon);
      socket.off("readable", look).off("error", broke).off("end", broke).off("close", broke);
    };
    const refuse = (error: Error): void => {
      leave();
      socket.destroy();
      reject(error);
    };
    const broke = (cause?: unknown): void =>
      refuse(fail("vm_unreachable", "The Gitspace's VM broke the connection.", { cause }));
    const abandon = (): void => refuse(fail("cancelled", "Nobody waits for the connection any more."));
    const look = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null)
        received = Buffer.concat([received, chunk]);
      const end = received.indexOf("\r\n\r\n");
      if (end === -1 && received.length <= LARGEST_HEAD) return;
      const answer = received.toString("latin1", 0, Math.min(Math.max(end, 0), LARGEST_HEAD));
      const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0);
      if (status !== 200) return refuse(refusal(status, port));
      leave();
      noteTold(socket, headersOf(answer));
      const rest = received.subarray(end + 4);
      if (rest.length > 0) socket.unshift(rest);
      resolve(socket);
    };
    signal.addEventListener("abort", abandon, { once: true });
    socket.on("readable", look).once("error", broke).once("end", broke).once("close", broke);
    socket.write(head);
  });
}

const told = new WeakMap<Socket, Record<string, string>>();

/** What the agent said of a dialled socket: the headers of its answer, their names in lower case. */
export function toldOf(socket: Socket): Readonly<Record<string, string>> {
  return told.get(socket) ?? {};
}

/** Notes it. */
export function noteTold(socket: Socket, headers: Record<string, string>): void {
  told.set(socket, headers);
}

function headersOf(head: string): Record<string, string> {
  const lines = head.split("\r\n").slice(1);
  const pairs = lines.flatMap((line) => {
    const [, name, value] = /^([^:\s]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name.toLowerCase(), value] as const];
  });
  return Object.fromEntries(pairs);
}

function connectHead({ port, headers = {} }: Pick<Destination, "port" | "headers">): string {
  const authority = `localhost:${port}`;
  const lines = Object.entries(headers).map(([name, value]) => {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return `${name}: ${value}\r\n`;
  });
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${lines.join("")}\r\n`;
}

function refusal(status: number, port: number): Error {
  if (status === 502)
    return fail("vm_unreachable", `Nothing listens on port ${port} of the Gitspace.`, {
      details: { reason: NOT_LISTENING },
    });
  if (status === 403) return fail("denied", `The Gitspace does not open port ${port}.`);
  return fail("vm_unreachable", `The Gitspace's agent answered ${status} to a connection to port ${port}.`);
}
