// The listening sockets of this process, by name: bound here, or taken over from the process before; shown to the one after.
import { once } from "node:events";
import { type AddressInfo, Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Address } from "@gitspaces/daemon";

export type DoorName = "visits" | "redirect" | "tasks" | "ssh" | "admin";
/** Asks the process before for a listening socket; nothing when it has none of that name. */
export type TakeDoor = (name: DoorName) => Promise<Server | undefined>;
type Options = {
  take?: TakeDoor;
  /** Whether a port that is taken may become free soon, because a process of ours that has to leave it still lives. */
  mayBecomeFree?: () => boolean;
};

const TAKEN_MS = 10_000;
const AGAIN_MS = 50;

export class Doors {
  readonly #open = new Map<DoorName, Server>();
  readonly #closings: Promise<unknown>[] = [];
  readonly #left = new AbortController();
  readonly #cut = new AbortController();
  readonly #take: TakeDoor;
  readonly #mayBecomeFree: () => boolean;

  constructor({ take = async () => undefined, mayBecomeFree = () => false }: Options = {}) {
    this.#take = take;
    this.#mayBecomeFree = mayBecomeFree;
  }

  /** Aborts when the doors are left: who is served then is told to come back by another connection. */
  get left(): AbortSignal {
    return this.#left.signal;
  }

  /** Aborts when whoever is still connected is cut off. */
  get cut(): AbortSignal {
    return this.#cut.signal;
  }

  /** Cuts off whoever is still connected. */
  empty(): void {
    this.#cut.abort();
  }

  /** After the doors were left: resolves when nobody is connected any more. */
  async emptied(): Promise<void> {
    await Promise.all(this.#closings);
  }

  /** A place where a server may listen: the address is bound unless the process before has the door. */
  at(name: DoorName, listen: Address): Doorway {
    return { ...listen, doors: this, name };
  }

  /** Makes a server listen; resolves with where. @throws the system's error when the address can not be bound. */
  async open(name: DoorName, server: Server, listen: Address): Promise<Address> {
    const inherited = await this.#take(name);
    if (inherited === undefined) await bindPatiently(server, listen, this.#mayBecomeFree);
    else await listening(server, () => server.listen(inherited));
    this.#open.set(name, server);
    const closed = new Promise<void>((resolve) => server.once("close", resolve));
    this.#closings.push(closed.then(() => this.#open.delete(name)));
    return { host: listen.host, port: (server.address() as AddressInfo).port };
  }

  /** The server behind a door, for handing its socket to the next process. */
  find(name: DoorName): Server | undefined {
    return this.#open.get(name);
  }

  /** Takes nobody new. Connections that are open stay, also idle ones: their next answer says `connection: close`. */
  leave(): void {
    if (this.#left.signal.aborted) return;
    this.#left.abort();
    for (const server of this.#open.values()) stopListening(server);
  }
}

export type Doorway = Address & { doors: Doors; name: DoorName };

/** Binds at an address, or by a door. */
export async function listenAt(server: Server, place: Address | Doorway): Promise<Address> {
  if ("doors" in place) return await place.doors.open(place.name, server, place);
  await listening(server, () => server.listen(place.port, place.host));
  return { host: place.host, port: (server.address() as AddressInfo).port };
}

/** Node's HTTP servers also cut idle connections when they are closed, on which a request may be under way. */
function stopListening(server: Server): void {
  if (server.listening) Server.prototype.close.call(server);
}

async function bindPatiently(server: Server, { host, port }: Address, mayBecomeFree: () => boolean): Promise<void> {
  for (const until = performance.now() + TAKEN_MS; ; await sleep(AGAIN_MS)) {
    try {
      return await listening(server, () => server.listen(port, host));
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
      if (!isTaken || performance.now() > until || !mayBecomeFree()) throw error;
    }
  }
}

async function listening(server: Server, listen: () => void): Promise<void> {
  const heard = once(server, "listening");
  listen();
  await heard;
}
