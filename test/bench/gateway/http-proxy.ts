// http-proxy as most people run it, bare: one target, sockets kept, X-Forwarded headers.
import { Agent, createServer } from "node:http";
import httpProxy from "http-proxy";
import { aboutMe, onQuestion, say } from "./messages.ts";

const { backend } = aboutMe() as { backend: number };
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
const proxy = httpProxy.createProxyServer({ target: { host: "127.0.0.1", port: backend }, agent, xfwd: true });
proxy.on("error", (_error, _request, to) => void to?.destroy());
const server = createServer((request, response) => proxy.web(request, response));
server.on("upgrade", (request, socket, head) => {
  socket.on("error", () => socket.destroy());
  proxy.ws(request, socket, head);
});
server.listen(0, "127.0.0.1", () => say({ port: (server.address() as { port: number }).port }));
onQuestion(() => process.memoryUsage().heapUsed);
