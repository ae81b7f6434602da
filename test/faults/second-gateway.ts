// A second gateway beside the one of a house, as behind a balancer: the same public name, ports and certificate of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { House } from "./house.ts";

type Ports = { http: number; tasks: number };
export type SecondGateway = AsyncDisposable & Ports & { kill(): Promise<void> };

/** Starts it with the settings of the first. */
export async function openSecondGateway(house: House): Promise<SecondGateway> {
  const [first = 0] = house.pids("gateway");
  const words = (name: string) =>
    readFileSync(`/proc/${first}/${name}`, "utf8")
      .split("\0")
      .filter((each) => each !== "");
  const settings = Object.fromEntries(
    words("environ").map((line) => [line.split("=", 1)[0], line.slice(line.indexOf("=") + 1)]),
  );
  const dataFolder = join(house.data, "second-gateway");
  mkdirSync(dataFolder);
  const [program = "", ...args] = words("cmdline");
  const child = spawn(program, args, {
    env: {
      ...settings,
      GITSPACES_DATA_FOLDER: dataFolder,
      GITSPACES_GATEWAY_NAME: "second",
      GITSPACES_LISTEN: "127.0.0.1:0",
      GITSPACES_TASKS_LISTEN: "127.0.0.1:0",
      GITSPACES_SSH_LISTEN: "127.0.0.1:0",
      GITSPACES_ADMIN_LISTEN: "127.0.0.1:0",
      GITSPACES_FAILPOINT_FOLDER: "",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const said: string[] = [];
  const listening = new Promise<Ports>((resolve, reject) => {
    child.once("exit", () => reject(new Error(`the second gateway ended: ${said.slice(-3).join("\n")}`)));
    createInterface({ input: child.stdout }).on("line", (text) => {
      said.push(text);
      const line = JSON.parse(text) as { msg: string; address: { port: number }; tasks: { port: number } };
      if (line.msg === "listening") resolve({ http: line.address.port, tasks: line.tasks.port });
    });
  });
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  return { ...(await listening), kill, [Symbol.asyncDispose]: kill };
}

export type Reply = { status: number; location: string; body: string };

/** A page that loads itself again, as a browser says it: it starts nothing that was stopped. */
const itself = { "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };

/** A browser that reaches a Gitspace's public name by whichever gateway a balancer picks: `via` is that gateway's port. */
export class Balanced {
  /** Host name → cookies. */
  readonly #jar: Map<string, Map<string, string>>;

  constructor(jar = new Map<string, Map<string, string>>()) {
    this.#jar = jar;
  }

  /** The cookie header that goes to a host. */
  cookies(host: string): string {
    const jar = this.#jar.get(new URL(`http://${host}`).hostname) ?? new Map<string, string>();
    return [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  /** Another browser with the same cookies. */
  copy(): Balanced {
    return new Balanced(new Map([...this.#jar].map(([host, cookies]) => [host, new Map(cookies)])));
  }

  /** Asks once and follows nothing. Hosts that are no Gitspace's are asked where they are. */
  async get(address: string, via: number): Promise<Reply> {
    const url = new URL(address);
    const jar = this.#jar.get(url.hostname) ?? new Map<string, string>();
    this.#jar.set(url.hostname, jar);
    const port = url.hostname.includes(".gitspaces.") ? via : Number(url.port);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { host: url.host, accept: "text/html", ...itself, ...(cookie === "" ? {} : { cookie }) };
    const asked = request({ host: "127.0.0.1", port, path: url.pathname + url.search, headers, agent: false }).end();
    const [answer] = (await once(asked, "response", { signal: AbortSignal.timeout(20_000) })) as [IncomingMessage];
    for (const line of answer.headers["set-cookie"] ?? []) {
      const [pair = ""] = line.split(";");
      jar.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
    }
    let body = "";
    for await (const chunk of answer) body += String(chunk);
    const { location } = answer.headers;
    return {
      status: answer.statusCode ?? 0,
      location: location === undefined ? "" : new URL(location, url).href,
      body,
    };
  }

  /** Follows redirects until there is none, or until the next one goes to an address that `stopAt` names. */
  async follow(
    address: string,
    via: number,
    stopAt: (address: string) => boolean = () => false,
  ): Promise<Reply & { at: string }> {
    for (let at = address, hop = 0; hop < 12; hop++) {
      const reply = await this.get(at, via);
      if (reply.location === "" || stopAt(reply.location)) return { ...reply, at };
      at = reply.location;
    }
    throw new Error(`too many redirects from ${address}`);
  }
}
