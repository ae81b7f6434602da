// A local installation from the inside of its machine: are its processes there, and what do they say on their admin ports?
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { type Finding, unknown, well, wrong } from "./finding.ts";
import { examineImage } from "./vm-image.ts";

const ANSWER_MS = 5_000;

const UpFile = z.object({
  data: z.string(),
  pid: z.int(),
  ports: z.record(z.string(), z.int()),
  host_address: z.string(),
  engine: z.string().optional(),
});
export type Installation = z.infer<typeof UpFile>;
const Processes = z.array(z.object({ name: z.string(), pid: z.int() }));
const Readiness = z.object({ ready: z.boolean(), reasons: z.record(z.string(), z.string()).default({}) });

/** The installation of an `up.json`. @throws when it is not one of `bin/up`. */
export function readInstallation(upFile: string): Installation {
  return UpFile.parse(JSON.parse(readFileSync(upFile, "utf8")));
}

export function logIn({ data }: Installation, daemon: string): string {
  return join(data, "logs", `${daemon}.log`);
}

/** Looks at the supervisor, Redis, every daemon, the enrolment port and the image, all at once. */
export async function examineLocally(installation: Installation): Promise<Finding[]> {
  const daemons = ["control-plane", "delegate", "runner", "gateway"] as const;
  const found = await Promise.all([
    ofRedis(installation),
    ...daemons.map((name) => ofDaemon(installation, name)),
    ofEnrolment(installation),
    examineImage({ ...installation, cure: upCommand(installation) }),
  ]);
  return [ofSupervisor(installation), ...found];
}

function ofSupervisor(installation: Installation): Finding {
  const { pid } = installation;
  const state = stateOf(pid);
  if (state === "T") return wrong("supervisor", `bin/up (process ${pid}) is paused`, `Let it go on: kill -CONT ${pid}`);
  if (state !== undefined) return well("supervisor", `bin/up runs (process ${pid})`);
  return wrong("supervisor", "bin/up does not run, so nothing restarts what ends", `Run: ${upCommand(installation)}`);
}

async function ofDaemon(installation: Installation, name: string): Promise<Finding> {
  const part = name.replace("-", " ");
  const port = installation.ports[`${name.replace("-", "_")}_admin`];
  if (port === undefined) return unknown(part, "up.json does not name its admin port");
  try {
    const { status, body } = await ask(port, "/readyz");
    const { ready, reasons } = Readiness.parse(JSON.parse(body));
    if (status === 200 && ready) return well(part, "its process says that it is ready");
    const why = Object.entries(reasons).map(([what, reason]) => `${what}: ${reason}`);
    return wrong(part, `it is not ready: ${why.join("; ")}`, cureOf(installation, name, Object.keys(reasons)));
  } catch (error) {
    return silent(installation, name, part, error as Error);
  }
}

/** What a daemon needs is often what is ill, so the log of that one comes first. */
function cureOf(installation: Installation, name: string, reasons: readonly string[]): string {
  const log = (daemon: string) => logIn(installation, daemon);
  if (reasons.includes("redis")) return `Look at ${log("redis")}, then ${log(name)}.`;
  if (reasons.includes("controlPlane")) return `Look at ${log("control-plane")}, then ${log(name)}.`;
  if (reasons.includes("gateway")) return `Look at ${log("gateway")}, then ${log(name)}.`;
  return `Look at ${log(name)}.`;
}

/** A process that says nothing: gone, paused, or too busy. */
function silent(installation: Installation, name: string, part: string, error: Error): Finding {
  const pid = pidOf(installation, name);
  const state = pid === undefined ? undefined : stateOf(pid);
  const log = `Its log: ${logIn(installation, name)}`;
  if (state === "T") return wrong(part, `its process ${pid} is paused`, `Let it go on: kill -CONT ${pid}`);
  if (state === undefined) {
    const isKept = stateOf(installation.pid) !== undefined;
    const next = isKept ? "bin/up starts it again by itself; if it does not stay" : `Run: ${upCommand(installation)}`;
    return wrong(part, "its process is gone", `${next}. ${log}`);
  }
  const why = (error as NodeJS.ErrnoException).code ?? error.message;
  return wrong(part, `its process ${pid} does not answer (${why})`, `If it does not recover: kill ${pid}. ${log}`);
}

/** Any word from Redis will do; it says that nobody has signed in. */
async function ofRedis(installation: Installation): Promise<Finding> {
  const port = installation.ports["redis"];
  if (port === undefined) return unknown("redis", "up.json does not name its port");
  try {
    await speak("127.0.0.1", port, "PING\r\n");
    return well("redis", `answers on port ${port}`);
  } catch (error) {
    return silent(installation, "redis", "redis", error as Error);
  }
}

async function ofEnrolment(installation: Installation): Promise<Finding> {
  const { host_address: host, ports } = installation;
  const port = ports["enrolment"];
  if (port === undefined) return unknown("VM network", "up.json does not name the enrolment port");
  try {
    await speak(host, port, undefined);
    return well("VM network", `enrolment listens on ${host}:${port}`);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    const cure = `The runner listens there, on the network of the VMs. Look at ${logIn(installation, "runner")}.`;
    return wrong("VM network", `enrolment on ${host}:${port} cannot be reached (${why})`, cure);
  }
}

function upCommand({ data, ports }: Installation): string {
  const base = ports["control_plane"];
  return `bin/up --data ${data}${base === undefined ? "" : ` --port-base ${base}`}`;
}

function pidOf({ data }: Installation, name: string): number | undefined {
  try {
    const listed = Processes.parse(JSON.parse(readFileSync(join(data, "processes.json"), "utf8")));
    return listed.findLast((each) => each.name === name)?.pid;
  } catch {
    return undefined;
  }
}

/** The state letter of a process as the kernel has it, or nothing when it is gone or only waits to be forgotten. */
function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const state = stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
    return state === "Z" || state === "X" ? undefined : state;
  } catch {
    return undefined;
  }
}

async function ask(port: number, path: string): Promise<{ status: number; body: string }> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  return await new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port, path, signal, agent: false }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    asking.once("error", reject);
    asking.end();
  });
}

/** Connects, and with something to say waits for the first byte of an answer. */
async function speak(host: string, port: number, words: string | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host, port });
    const end = (error?: Error) => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.setTimeout(ANSWER_MS, () => end(new Error(`no answer within ${ANSWER_MS / 1_000} s`)));
    socket.once("error", end);
    socket.once("connect", () => (words === undefined ? end() : socket.write(words)));
    socket.once("data", () => end());
  });
}
