// Rows about what clients that leave leave behind.
import { until } from "../street.ts";
import { type Row, UPGRADE } from "./row.ts";

/** Connections that clients leave behind; whatever is open inside afterwards, unless it idles for the next request, is a leak. */
export const leaks: Row[] = (
  [
    ["aborted upgrades, backend silent", UPGRADE, "", 100],
    ["upgrades refused 404", UPGRADE, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope", 100],
    ["aborted streams", [], "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nsome", 100],
    ["aborted GETs", [], "", 200],
  ] as const
).map(
  ([what, lines, says, count]): Row => ({
    name: `${count} ${what}`,
    best: "0 left",
    async play({ inside, client, head }) {
      inside.answer = (_head, to) => void to.write(says);
      for (let done = 0; done < count; done += 50) {
        const clients = await Promise.all(Array.from({ length: 50 }, client));
        for (const { socket } of clients) socket.write(head("GET", "/", ...lines));
        if (says === "") await until(() => inside.heads.length >= done + 50, "the server inside was asked");
        else await Promise.all(clients.map(({ hears }) => hears("\r\n\r\n")));
        for (const [at, { socket }] of clients.entries()) {
          if (at % 2 === 0) socket.resetAndDestroy();
          else socket.end();
        }
        await until(() => inside.open.size === 0, "nothing is left inside");
        for (const { socket } of clients) socket.destroy();
      }
      return `${inside.open.size} left`;
    },
  }),
);
