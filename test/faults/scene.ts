// What is there, seen from outside: VMs, homes, namespaces, processes, routes, records and tasks. No daemon is asked.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { RUNNER_QUEUE, REDIS_PREFIX, redisKeys } from "@gitspaces/contracts";
import { Redis } from "ioredis";
import type { House } from "./house.ts";

export type Scene = {
  /** As the provider has them on its disk. */
  vms: { id: string; gitspace: string | null; power: string; slot: number }[];
  homes: { id: string; attachedTo: string | null }[];
  /** VMs and homes whose folders are on their way out. */
  halfRemoved: string[];
  /** Slots of the VM network that have a namespace, an interface or a process. */
  namespaces: number[];
  interfaces: number[];
  processes: number[];
  routes: { gitspace: string; vm: string }[];
  /** Redis: VMs on record, VMs that take a slot of a pool, VMs that stand ready, claims on VMs. */
  records: string[];
  slots: string[];
  warm: string[];
  claims: { gitspace: string; vm: string }[];
  jobs: number;
  tasks: { id: string; type: string; gitspace: string; state: string; outcome: string | null; late: number }[];
};

/** A namespace that goes away while it is listed is no trouble. */
const quiet = { encoding: "utf8" as const, stdio: ["ignore" as const, "pipe" as const, "ignore" as const] };

/** Looks once. */
export async function look(house: House): Promise<Scene> {
  return { ...machine(house.data), ...(await redis(house)), tasks: tasksOf(house.data) };
}

function machine(
  data: string,
): Pick<Scene, "vms" | "homes" | "halfRemoved" | "namespaces" | "interfaces" | "processes"> {
  const vms = folders(join(data, "vms"))
    .filter((id) => id !== ".gone")
    .map((id) => readVm(join(data, "vms", id), id));
  const records = join(data, "homes", ".records");
  const recorded = (existsSync(records) ? readdirSync(records) : [])
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(join(records, name), "utf8")) as Scene["homes"][number])
    .map(({ id, attachedTo }) => ({ id, attachedTo }));
  const unrecorded = folders(join(data, "homes"))
    .filter((name) => !name.startsWith(".") && !recorded.some(({ id }) => id === name))
    .map((id) => ({ id, attachedTo: null }));
  const network = Number(
    (JSON.parse(readFileSync(join(data, "network.json"), "utf8")) as { network: string }).network.split(".")[1],
  );
  const slot = new RegExp(`\\bgsv${network}-(\\d+)`, "g"); // slot 0 is the host's own
  const slotsIn = (text: string) =>
    [...new Set([...text.matchAll(slot)].map(([, number]) => Number(number)))].filter((each) => each > 0);
  return {
    vms,
    homes: [...recorded, ...unrecorded],
    halfRemoved: [...folders(join(data, "vms", ".gone")), ...folders(join(data, "homes", ".removed"))],
    namespaces: slotsIn(execFileSync("ip", ["netns", "list"], quiet)),
    interfaces: slotsIn(execFileSync("ip", ["-o", "link"], quiet)),
    processes: slotsOfProcesses(network),
  };
}

function readVm(folder: string, id: string): Scene["vms"][number] {
  try {
    const { labels, power, slot } = JSON.parse(readFileSync(join(folder, "record.json"), "utf8")) as {
      labels: Record<string, string>;
      power: string;
      slot: number;
    };
    return { id, gitspace: labels["gs-gitspace"] ?? null, power, slot };
  } catch {
    return { id, gitspace: null, power: "unreadable", slot: -1 };
  }
}

/** A VM's user is its own: user 200000 + network × 16384 + slot. */
function slotsOfProcesses(network: number): number[] {
  const first = 200_000 + network * 16_384;
  const found = new Set<number>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "latin1");
      const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]);
      if (uid >= first && uid < first + 16_384 && !/^State:\s+Z/m.test(status)) found.add(uid - first);
    } catch {
      // It ended meanwhile.
    }
  }
  return [...found];
}

async function redis(house: House): Promise<Pick<Scene, "routes" | "records" | "slots" | "warm" | "claims" | "jobs">> {
  await using client = connect(house);
  const named = async (key: string) => await client.keys(key);
  const routes = (await Promise.all((await named(redisKeys.route("*"))).map((key) => client.get(key)))).flatMap(
    (text) => (text === null ? [] : [JSON.parse(text) as { gitspaceId: string; instanceId: string }]),
  );
  const claims = await Promise.all(
    (await named(redisKeys.claim("*"))).map(async (key) => ({
      gitspace: key.slice(redisKeys.claim("").length),
      vm: await client.hget(key, "vm"),
    })),
  );
  const queue = `${REDIS_PREFIX}:${RUNNER_QUEUE}`;
  const [waiting, active, delayed] = await Promise.all([
    client.llen(`${queue}:wait`),
    client.llen(`${queue}:active`),
    client.zcard(`${queue}:delayed`),
  ] as const);
  const pool = "default";
  return {
    routes: routes.map(({ gitspaceId, instanceId }) => ({ gitspace: gitspaceId, vm: instanceId })),
    records: (await named(redisKeys.vm("*"))).map((key) => key.slice(redisKeys.vm("").length)),
    slots: await client.hkeys(redisKeys.slots(pool)),
    warm: await client.zrange(redisKeys.warm(pool), "0", "-1"),
    claims: claims.flatMap(({ gitspace, vm }) => (vm === null ? [] : [{ gitspace, vm }])),
    jobs: waiting + active + delayed,
  };
}

/** A connection as the administrator of the house's Redis. */
export function connect(house: House): Redis & AsyncDisposable {
  const password = readFileSync(join(house.data, "secrets", "redis-local-password"), "utf8").trim();
  const port = house.system.ready.ports["redis"] as number;
  const client = new Redis({ host: "127.0.0.1", port, username: "local", password, retryStrategy: () => 50 });
  client.on("error", () => undefined);
  return Object.assign(client, { [Symbol.asyncDispose]: async () => client.disconnect() });
}

/** The control plane's log of tasks; looks at running Gitspaces (`vm.status`) change nothing and are left out. */
function tasksOf(data: string): Scene["tasks"] {
  const db = new DatabaseSync(join(data, "control-plane.db"), { readOnly: true });
  try {
    return db
      .prepare(
        `SELECT id, type, gitspace, state, outcome, (SELECT count(*) FROM late_answers WHERE task = tasks.id AND cancelled = 0) AS late
         FROM tasks WHERE type <> 'vm.status'`,
      )
      .all() as Scene["tasks"];
  } finally {
    db.close();
  }
}

function folders(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { withFileTypes: true }).flatMap((each) => (each.isDirectory() ? [each.name] : []));
}
