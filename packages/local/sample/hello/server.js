// Greets whoever asks: http://127.0.0.1:3000/?name=you
import { createServer } from "node:http";
import { greeting } from "./greeting.js";

const port = 3000;

const server = createServer((request, response) => {
  const name = new URL(request.url, "http://localhost").searchParams.get("name");
  response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${greeting(name)}\n`);
});

server.listen(port, "127.0.0.1", () => console.log(`Listening on http://127.0.0.1:${port}`));
