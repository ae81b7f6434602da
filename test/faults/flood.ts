// A flood, as a process of its own: many connections that ask one port of a Gitspace as fast as they are answered.
import { connect } from "node:net";

const [host = "", port = "0", localAddress = "127.0.0.1", connections = "1"] = process.argv.slice(2);
const request = `GET / HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`;
/** How often each status came. */
const counted: Record<string, number> = {};

function flood(): void {
  const socket = connect({ host: "127.0.0.1", port: Number(port), localAddress });
  socket.on("connect", () => socket.write(request));
  socket.on("data", (chunk) => {
    const text = chunk.toString("latin1");
    if (!text.startsWith("HTTP/1.1 ")) return;
    const status = text.slice(9, 12);
    counted[status] = (counted[status] ?? 0) + 1;
    socket.write(request);
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", () => setTimeout(flood, 5));
}

for (let each = 0; each < Number(connections); each++) flood();
process.on("message", () => process.send?.(counted));
process.on("disconnect", () => process.exit());
