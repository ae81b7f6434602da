// Stands in for code-server: takes the same arguments, answers on the given socket, says what it was given.
import { createServer } from "node:http";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

const value = (name) => process.argv[process.argv.indexOf(name) + 1];
const image = join(dirname(process.argv[1]), "../../../..");
if (existsSync(join(image, "broken"))) {
  console.error("the stand-in is broken");
  process.exit(1);
}

if (process.argv.includes("--install-extension")) {
  console.error("Error: the stand-in has no extensions");
  process.exit(1);
}

let held = 0;

createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://ide");
  if (pathname === "/end") process.exit(1);
  if (pathname === "/held") {
    response.end(String(held));
    return;
  }
  const told = { env: process.env, folder: value("--user-data-dir"), pid: process.pid };
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(told));
})
  .on("upgrade", (_request, socket, head) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    socket.write(head);
    held++;
    socket.once("close", () => held--);
    socket.on("error", () => socket.destroy());
    socket.pipe(socket);
  })
  .listen(value("--socket"));
