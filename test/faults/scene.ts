// What is there, seen from outside: VMs, homes, namespaces, processes, routes, records and tasks. No daemon is asked.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { RUNNER_QUEUE, REDIS_PREFIX, redisKeys } from "@gitspaces/contracts";
import { Redis } from "ioredis";
import type { House } from "./house.ts";

export type Scene = {
  /** As the provider keeps them. Only VMs of this machine's own namespaces have a slot. */
  vms: { id: string; gitspace: string | null; power: string; slot: number | null }[];
  homes: { id: string; attachedTo: string | null }[];
  /** VMs and homes that are on their way out. */
  halfRemoved: string[];
  /** What belongs to no VM and no home that is there. */
  strays: string[];
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

/** Looks once. */
export async function look(house: House): Promise<Scene> {
  return { ...(await house.ground.look(house.data)), ...(await redis(house)), tasks: tasksOf(house.data) };
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
