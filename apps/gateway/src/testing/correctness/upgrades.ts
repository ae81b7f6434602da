// Rows about upgraded connections, and those that were refused.
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Row, status, SWITCH, UPGRADE } from "./row.ts";

export const upgrades: Row[] = [
  {
    name: "Upgrade: foo (not websocket)",
    best: "101 and the echo of early data",
    async play({ inside, client, head }) {
      inside.answer = (_head, to, rest) => {
        to.write(SWITCH);
        to.write(rest);
        to.pipe(to);
      };
      const { socket, hears } = await client();
      socket.write(`${head("GET", "/", ...UPGRADE)}early`);
      const heard = await hears("early");
      const isWhole = /^HTTP\/1\.1 101 .*\r\nUpgrade: foo\r\n/s.test(heard) && heard.endsWith("\r\n\r\nearly");
      return isWhole ? "101 and the echo of early data" : heard;
    },
  },
  {
    name: "half-close through tunnel",
    best: "FIN and a late reply",
    async play({ inside, client, head }) {
      inside.answer = (_head, to) => {
        to.removeAllListeners("end");
        to.on("end", () => setTimeout(() => to.end("late"), 50));
        to.write(SWITCH);
        to.resume();
      };
      const { socket, hears, ended } = await client();
      socket.write(head("GET", "/", ...UPGRADE));
      await hears("\r\n\r\n");
      socket.end();
      await ended;
      return (await hears("late")).endsWith("late") ? "FIN and a late reply" : "lost";
    },
  },
  ...(["reader", "backend"] as const).map(
    (slow): Row => ({
      name: `slow ws ${slow}: what is accepted`,
      best: "less than 32 MB",
      async play({ inside, client, head }) {
        let sender: Socket | undefined;
        inside.answer = (_head, to) => {
          to.write(SWITCH);
          to.pause();
          if (slow === "reader") sender = to;
        };
        const { socket, hears } = await client();
        socket.write(head("GET", "/", ...UPGRADE));
        await hears("\r\n\r\n");
        socket.removeAllListeners("data");
        socket.pause();
        sender ??= socket;
        const block = Buffer.alloc(256 * 1_024);
        let accepted = 0;
        for (let isTaken = true; isTaken && accepted < 64; accepted += 0.25) {
          isTaken = sender.write(block);
          if (!isTaken) isTaken = await Promise.race([once(sender, "drain").then(() => true), sleep(300, false)]);
        }
        return accepted < 32 ? "less than 32 MB" : `${accepted} MB`;
      },
    }),
  ),
  {
    name: "upgrade refused",
    best: ["404", "nope"],
    async play({ inside, client, head }) {
      inside.answer = (_head, to) => void to.write("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope");
      const { socket, hears, ended } = await client();
      socket.write(head("GET", "/", ...UPGRADE));
      const heard = await hears("nope");
      await ended;
      return [String(status(heard)), heard.slice(-4)];
    },
  },
];
