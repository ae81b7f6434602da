// What a row of the correctness matrix is, and what rows are made of.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Inside } from "../raw-inside.ts";
import { until } from "../street.ts";

export type Play = {
  inside: Inside;
  /** A connection to the gateway, and everything it has heard. */
  client: () => Promise<Client>;
  /** The host of the Gitspace with its port. */
  host: string;
  /** A whole head that is admitted; `more` are further header lines. */
  head: (method: string, path: string, ...more: string[]) => string;
};
export type Client = {
  socket: Socket;
  heard: () => string;
  hears: (text: string | RegExp) => Promise<string>;
  ended: Promise<void>;
};
export type Row = { name: string; best: unknown; play(play: Play): Promise<unknown> };

export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
export const UPGRADE = ["Connection: Upgrade", "Upgrade: foo"];
export const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n";

export const status = (heard: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(heard)?.[1] ?? 0);

/** A client that remembers what it heard. */
export async function openClient(port: number): Promise<Client> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  const ended = new Promise<void>((resolve) => {
    for (const event of ["end", "close"]) socket.once(event, () => resolve());
  });
  const isThere = (wanted: string | RegExp): boolean =>
    typeof wanted === "string" ? text.includes(wanted) : wanted.test(text);
  return {
    socket,
    ended,
    heard: () => text,
    hears: async (wanted) => {
      await until(() => isThere(wanted), `"${wanted}" was heard; so far "${text.slice(0, 2_000)}"`);
      return text;
    },
  };
}
