// Ports and sockets of the workplace that a person forwards: `-L` to its loopback, `-R` from its loopback, and the same for Unix
// sockets. What is forwarded back listens inside the workplace alone: its sshd binds the loopback, whatever is asked for.
import type { Duplex } from "node:stream";
import type { Channel, Client, Connection } from "ssh2";

const MOST_CHANNELS = 512;

/** Whether a destination is the workplace itself. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|::1|\[::1\])$/i.test(host);
}

/** Joins two streams. One's death is the other's, once what was received before it has gone on. */
export function splice(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on("error", () => from.destroy());
    from.once("close", () => closeSoon(to));
    from.pipe(to);
  }
}

function closeSoon(stream: Duplex): void {
  if (stream.writableFinished || stream.destroyed) stream.destroy();
  else stream.end(() => stream.destroy());
}

type Accept = () => Duplex;
type Reject = () => void;
type Answer = (error: Error | undefined, channel: Channel) => void;

/** Counts the channels of one person's connection, so that no client can open them without end. */
export class Forwarding {
  readonly #person: Connection;
  readonly #reach: () => Promise<Client>;
  #listening: Client | undefined;
  #open = 0;

  constructor(person: Connection, reach: () => Promise<Client>) {
    this.#person = person;
    this.#reach = reach;
  }

  /** `-L`: opens a channel of the workplace's for one that the person's client asks for. */
  async outwards(accept: Accept, reject: Reject, open: (client: Client, answer: Answer) => void): Promise<void> {
    if (this.#open >= MOST_CHANNELS) return reject();
    this.#open++;
    try {
      const client = await this.#reach();
      const inner = await opened((answer) => open(client, answer));
      const outer = accept() as Duplex | undefined;
      if (outer === undefined) return void inner.destroy();
      splice(outer, inner);
      await new Promise((resolve) => inner.once("close", resolve));
    } catch {
      reject();
    } finally {
      this.#open--;
    }
  }

  /** `-R` and its end. */
  async request(
    accept: ((port?: number) => void) | undefined,
    reject: (() => void) | undefined,
    name: string,
    info: { bindAddr: string; bindPort: number; socketPath: string },
  ): Promise<void> {
    try {
      const client = await this.#reach();
      this.#listen(client);
      const port = await asked(client, name, info);
      accept?.(port);
    } catch {
      reject?.();
    }
  }

  /** What connects to a port that is forwarded back goes to the person's client. */
  #listen(client: Client): void {
    if (this.#listening === client) return;
    this.#listening = client;
    client.on("tcp connection", ({ destIP, destPort, srcIP, srcPort }, accept, reject) => {
      void this.#inwards(accept, reject, (answer) => this.#person.forwardOut(destIP, destPort, srcIP, srcPort, answer));
    });
    client.on("unix connection", ({ socketPath }, accept, reject) => {
      void this.#inwards(accept, reject, (answer) => this.#person.openssh_forwardOutStreamLocal(socketPath, answer));
    });
  }

  async #inwards(accept: Accept, reject: Reject, open: (answer: Answer) => void): Promise<void> {
    if (this.#open >= MOST_CHANNELS) return reject();
    this.#open++;
    try {
      const outer = await opened(open);
      splice(outer, accept());
      await new Promise((resolve) => outer.once("close", resolve));
    } catch {
      reject();
    } finally {
      this.#open--;
    }
  }
}

async function opened(open: (answer: Answer) => void): Promise<Channel> {
  return await new Promise((resolve, reject) =>
    open((error, channel) => (error === undefined ? resolve(channel) : reject(error))),
  );
}

/** Passes a request on; gives the port that was chosen, where one was. */
async function asked(
  client: Client,
  name: string,
  { bindAddr, bindPort, socketPath }: { bindAddr: string; bindPort: number; socketPath: string },
): Promise<number | undefined> {
  return await new Promise((resolve, reject) => {
    const answer = (error?: Error | null, port?: number): void => {
      if (error === undefined || error === null) resolve(port);
      else reject(error);
    };
    if (name === "tcpip-forward") client.forwardIn(bindAddr, bindPort, answer);
    else if (name === "cancel-tcpip-forward") client.unforwardIn(bindAddr, bindPort, answer);
    else if (name === "streamlocal-forward@openssh.com") client.openssh_forwardInStreamLocal(socketPath, answer);
    else if (name === "cancel-streamlocal-forward@openssh.com")
      client.openssh_unforwardInStreamLocal(socketPath, answer);
    else reject(new Error(`nobody knows ${name}`));
  });
}
