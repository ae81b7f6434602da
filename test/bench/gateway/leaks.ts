// What is left in a proxy by clients that leave: sockets towards them, and requests that still run inside.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { head, opened, type Place, upgradeHead } from "./load.ts";
import { socketsAt } from "./process-figures.ts";

const LANES = 25;
const SETTLE_MS = 5_000;
/** A proxy that has no room left answers nobody; that is counted, not waited for. */
const PATIENCE_MS = 2_000;

export type Counts = { upgrades: number; refusals: number; streams: number; gets: number };
type Busy = () => Promise<{ busy: number }>;

/** Half of the clients leave with a FIN, half with a RST. */
export async function abandon(place: Place, counts: Counts): Promise<void> {
  await inLanes(counts.upgrades, async (socket) => {
    socket.write(upgradeHead(place, "/frozen"));
    await sleep(10);
  });
  await inLanes(counts.refusals, async (socket) => {
    socket.write(upgradeHead(place, "/refused"));
    await once(socket, "data");
  });
  await inLanes(counts.streams, async (socket) => {
    socket.write(head(place, "GET", "/stream"));
    await once(socket, "data");
  });
  await inLanes(counts.gets, async (socket) => {
    socket.write(head(place, "GET", "/frozen"));
    await sleep(1);
  });

  async function inLanes(
    count: number,
    play: (socket: Awaited<ReturnType<typeof opened>>) => Promise<void>,
  ): Promise<void> {
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let turn = next++; turn < count; turn = next++) {
        const socket = await opened(place);
        const closed = once(socket, "close");
        await Promise.race([play(socket), closed, sleep(PATIENCE_MS)]);
        if (turn % 2 === 0) socket.resetAndDestroy();
        else socket.destroy();
        await closed;
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }
}

/** Sockets towards clients and requests that run inside, once they had five seconds to end. Idle pooled sockets are none. */
export async function socketsLeft({ port }: Place, backend: Busy): Promise<number> {
  const end = performance.now() + SETTLE_MS;
  for (;;) {
    const left = socketsAt(port) + (await backend()).busy;
    if (left === 0 || performance.now() > end) return left;
    await sleep(100);
  }
}
