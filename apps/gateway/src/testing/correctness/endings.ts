// Rows about either side leaving in the middle.
import { until } from "../street.ts";
import { type Row, status } from "./row.ts";

export const endings: Row[] = [
  ...(["while streaming", "before headers", "mid-upload"] as const).map(
    (when): Row => ({
      name: `client abort ${when}`,
      best: "closed inside",
      async play({ inside, client, head }) {
        inside.answer = (_head, to) => void (when === "while streaming" && to.write("HTTP/1.1 200 OK\r\n\r\nsome"));
        const { socket, hears } = await client();
        socket.write(when === "mid-upload" ? `${head("POST", "/", "Content-Length: 100")}some` : head("GET", "/"));
        await until(() => inside.heads.length === 1, "the server inside was asked");
        if (when === "while streaming") await hears("some");
        socket.destroy();
        await until(() => inside.open.size === 0, "the connection inside is closed");
        return "closed inside";
      },
    }),
  ),
  {
    name: "backend dies before headers",
    best: 502,
    async play({ inside, client, head }) {
      inside.answer = (_head, to) => void to.resetAndDestroy();
      const { socket, hears } = await client();
      socket.write(head("GET", "/"));
      return status(await hears("\r\n\r\n"));
    },
  },
  ...(["Content-Length: 100", "Transfer-Encoding: chunked"] as const).map(
    (framing): Row => ({
      name: `backend dies mid-body (${framing})`,
      best: { ended: true, clean: false },
      async play({ inside, client, head }) {
        inside.answer = (_head, to) => {
          to.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n4\r\nsome\r\n`);
          setTimeout(() => to.resetAndDestroy(), 30);
        };
        const { socket, heard, ended } = await client();
        socket.write(head("GET", "/"));
        await ended;
        return { ended: heard().includes("some"), clean: heard().endsWith("\r\n0\r\n\r\n") };
      },
    }),
  ),
];
