// A door in front of an engine's socket: it can be held shut, and it tells of every change that is asked for before it is let in.
import { mkdtempSync, rmSync } from "node:fs";
import { type Socket, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";

export type Door = Awaited<ReturnType<typeof openDoor>>;

export async function openDoor(behind: string) {
  const folder = mkdtempSync(join(tmpdir(), "door-"));
  const path = join(folder, "engine.sock");
  const sockets = new Set<Socket>();
  let isHeld = false;
  let onChange: (line: string) => void = () => {};

  const server = createServer((from) => {
    const to = connect(behind);
    for (const [socket, other] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    from.on("data", (bytes: Buffer) => {
      const line = bytes.toString("latin1", 0, 200).split("\r\n", 1)[0] ?? "";
      if (/^(POST|PUT|DELETE) \//.test(line)) onChange(line);
      if (!isHeld) to.write(bytes);
    });
    to.on("data", (bytes: Buffer) => void (isHeld || from.write(bytes)));
    from.on("end", () => to.end());
    to.on("end", () => from.end());
  });
  server.listen(path);
  await once(server, "listening");

  return {
    path,
    /** From now on nothing comes through, and nobody is told so. */
    hold: () => void (isHeld = true),
    /** Called with the first line of each request that changes something. */
    watch: (told: (line: string) => void) => void (onChange = told),
    async close(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
