// A stand-in for the agent in the provider's tests: listens where an agent would, says where it lives, and does what its one
// caller asks for from inside the VM.
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";

const [host, port] = process.env.GITSPACES_LISTEN.split(":");
const born = Date.now();
const home = process.env.GITSPACES_HOME;
const metadata = JSON.parse(await readFile(process.env.GITSPACES_METADATA_FILE, "utf8"));

const deeds = {
  hello: async () => metadata.instanceId,
  environment: async () => process.env,
  process: async () => ({ pid: process.pid, born }),
  user: async () => ({ uid: process.getuid(), gid: process.getgid() }),
  write: async ({ path, text }) => writeFile(join(home, path), text),
  read: async ({ path }) =>
    readFile(join(home, path), "utf8").catch((error) => (error.code === "ENOENT" ? null : Promise.reject(error))),
  run: ({ command }) =>
    new Promise((resolve) =>
      execFile("/bin/sh", ["-c", command], { timeout: 20_000 }, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      ),
    ),
  connect: ({ host: to, port: number }) =>
    new Promise((resolve) => {
      const socket = connect({ host: to, port: number, timeout: 1_500 });
      const end = (outcome) => {
        socket.destroy();
        resolve(outcome);
      };
      socket.on("connect", () => end("connected"));
      socket.on("timeout", () => end("timeout"));
      socket.on("error", (error) => end(error.code));
    }),
};

createServer((incoming, outgoing) => {
  let body = "";
  incoming.on("data", (part) => (body += part));
  incoming.on("end", () => {
    const deed = deeds[incoming.url.slice(1)];
    Promise.resolve(deed(body === "" ? {} : JSON.parse(body))).then(
      (result) => outgoing.end(JSON.stringify(result ?? null)),
      (error) => outgoing.writeHead(500).end(JSON.stringify(String(error))),
    );
  });
}).listen(Number(port), host, () => console.log(`${metadata.instanceId} listens on ${host}:${port}`));
