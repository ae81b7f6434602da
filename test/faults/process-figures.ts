// What a process costs, found out from outside: memory after a collection, open files, and what keeps its event loop busy.
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export type Figures = { heapMb: number; files: number; resources: number };

/** The port on which Node opens its inspector when it is sent SIGUSR1. */
const INSPECTOR = "http://127.0.0.1:9229/json/list";

const expression = `(() => {
  const used = process.memoryUsage().heapUsed;
  const kinds = process.getActiveResourcesInfo().filter((kind) => kind !== "Immediate");
  setTimeout(() => process.getBuiltinModule("node:inspector").close(), 50);
  return JSON.stringify({ pid: process.pid, used, kinds });
})()`;

/** Figures of a Node process. Its inspector is open on loopback meanwhile, and closed afterwards. */
export async function figuresOf(pid: number): Promise<Figures> {
  const files = readdirSync(`/proc/${pid}/fd`).length;
  for (let attempt = 1; ; attempt++) {
    const said = await inspect(pid).catch((error: unknown) => error as Error);
    if (!(said instanceof Error)) return { heapMb: said.used / 2 ** 20, files, resources: said.kinds.length };
    if (attempt === 10) throw said;
    await sleep(500);
  }
}

async function inspect(pid: number): Promise<{ used: number; kinds: string[] }> {
  process.kill(pid, "SIGUSR1");
  await sleep(300);
  const [target] = (await (await fetch(INSPECTOR)).json()) as { webSocketDebuggerUrl: string }[];
  if (target === undefined) throw new Error("there is nothing to inspect");
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true });
    socket.addEventListener("error", () => reject(new Error("the inspector cannot be reached")), { once: true });
  });
  let number = 0;
  const call = async (method: string, params: object = {}) => {
    const id = ++number;
    const answered = new Promise<Record<string, unknown>>((resolve, reject) => {
      const listen = (event: MessageEvent) => {
        const message = JSON.parse(String(event.data)) as { id?: number; result?: Record<string, unknown> };
        if (message.id !== id) return;
        socket.removeEventListener("message", listen);
        resolve(message.result ?? {});
      };
      socket.addEventListener("message", listen);
      socket.addEventListener("close", () => reject(new Error("the inspector left")), { once: true });
    });
    socket.send(JSON.stringify({ id, method, params }));
    return await answered;
  };
  try {
    await call("HeapProfiler.collectGarbage");
    await call("HeapProfiler.collectGarbage");
    const { result } = (await call("Runtime.evaluate", { expression })) as { result?: { value?: string } };
    const said = JSON.parse(result?.value ?? "{}") as { pid: number; used: number; kinds: string[] };
    if (said.pid !== pid) throw new Error(`process ${said.pid} has the inspector's port`);
    return said;
  } finally {
    socket.close();
    await sleep(200);
  }
}

/** Resident memory now and at its highest, in megabytes. */
export function memoryOf(pid: number): { nowMb: number; highestMb: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const read = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) / 1_024;
  return { nowMb: read("VmRSS"), highestMb: read("VmHWM") };
}
