// What a firewall between machines lets through, as a program: each argument is LISTEN_ADDRESS:PORT=TARGET_ADDRESS, same port.
import { connect, createServer } from "node:net";

for (const rule of process.argv.slice(2)) {
  const [, address = "", port = "", target = ""] = /^(.+):(\d+)=(.+)$/.exec(rule) ?? [];
  createServer((inner) => {
    const outer = connect(Number(port), target);
    inner.on("error", () => outer.destroy());
    outer.on("error", () => inner.destroy());
    inner.pipe(outer).pipe(inner);
  }).listen(Number(port), address);
}
