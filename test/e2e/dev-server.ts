// A development server as people run them, small enough to be read: a page that reloads itself when a file changes.

/** A program for Node without packages: it serves `greeting.txt` on a port and tells its page over a WebSocket to reload. */
export const devServer = `
import { createHash } from "node:crypto";
import { readFileSync, watch } from "node:fs";
import { createServer } from "node:http";

const script = \`
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(scheme + "://" + location.host + "/changes");
  socket.onopen = () => { document.title = "connected"; };
  socket.onmessage = () => location.reload();\`;
const pages = new Set();
const server = createServer((request, response) => {
  if (request.url !== "/") return response.writeHead(404).end();
  const greeting = readFileSync("greeting.txt", "utf8");
  response.setHeader("content-type", "text/html; charset=utf-8");
  response.end("<!doctype html><title>dev</title><h1>" + greeting + "</h1><script>" + script + "</script>");
});
server.on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const accept = createHash("sha1").update(key).digest("base64");
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n" +
    "Sec-WebSocket-Accept: " + accept + "\\r\\n\\r\\n");
  pages.add(socket);
  socket.on("error", () => socket.destroy()).on("close", () => pages.delete(socket)).resume();
});
const frame = Buffer.concat([Buffer.from([0x81, 6]), Buffer.from("reload")]);
watch(".", (_event, name) => {
  if (name === "greeting.txt") for (const socket of pages) socket.write(frame);
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready"));
`;
