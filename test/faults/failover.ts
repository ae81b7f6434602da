// Two runners on Redis behind a sentinel, and the provider's own history of who was ever given which VM.
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answer, Answer as AnswerSchema, REDIS_PREFIX, redisKeys, RUNNER_QUEUE } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import { parseRedisUrl } from "@gitspaces/daemon/redis";
import { freePort } from "@gitspaces/daemon/testing";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { RunnerConfig } from "../../apps/runner/src/config.ts";
import { startRunner } from "../../apps/runner/src/runner.ts";
import { fakeProvider, type FakeProvider } from "../../apps/runner/src/testing/fake-provider.ts";
import { startTrio, type Trio } from "../../apps/runner/src/testing/sentinel.ts";
import { until } from "./house.ts";

export type Failover = AsyncDisposable & {
  trio: Trio;
  provider: FakeProvider;
  /** Offers the start of a Gitspace as a delegate does: again and again, until it is answered. */
  provision(gitspaceId: string): Promise<Answer>;
  vmOf(answer: Answer): string;
  claimsOnMaster(): Promise<number>;
  /** Lets a master that hangs go on. */
  wake(): void;
  /** VMs, disks and agents that were ever somebody's and then another's. */
  doubles(): string[];
  /** Waits until each of these Gitspaces has one VM, its disk and its route, and everything else is stock. */
  settled(ids: readonly string[]): Promise<void>;
};

/** Opens everything and waits until the pool is warm. */
export async function openFailover(pool: { warm: number; max: number }): Promise<Failover> {
  await using opened = new AsyncDisposableStack();
  const trio = opened.use(await startTrio());
  const folder = mkdtempSync(join(tmpdir(), "gs-failover-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const provider = opened.use(fakeProvider());
  const owners = watchOwners(provider);
  for (const name of ["token", "gateway-token"]) writeFileSync(join(folder, name), randomBytes(24).toString("hex"));
  writeFileSync(
    join(folder, "keys.json"),
    JSON.stringify({ keys: [{ kty: "OKP", crv: "Ed25519", x: "AA", kid: "one" }] }),
  );
  const spec = { name: "default", type: "process", image: "default", isDefault: true, ...pool } as const;
  for (let count = 0; count < 2; count++) {
    const port = await freePort();
    const config = RunnerConfig.parse({
      dataFolder: folder,
      installation: "local-test",
      redisUrl: trio.url,
      redisPasswordFile: trio.passwordFile,
      poolFile: join(folder, "pool.yml"),
      imagesFolder: folder,
      isolation: "none",
      enrolListen: `127.0.0.1:${port}`,
      enrolUrl: `https://127.0.0.1:${port}`,
      controlPlaneKeysFile: join(folder, "keys.json"),
      delegateEnrolTokenFile: join(folder, "token"),
      gatewayEnrolTokenFile: join(folder, "gateway-token"),
      vmStartMs: 20_000,
      sweepMs: 2_000,
    });
    const log = createLog("runner", "silent");
    opened.use(await startRunner({ config, pools: [spec], provider, log, signal: new AbortController().signal }));
  }
  const redis = new Redis({
    ...parseRedisUrl(trio.url, trio.password),
    maxRetriesPerRequest: null,
    socketTimeout: 10_000,
  });
  redis.on("error", () => undefined);
  opened.defer(() => redis.disconnect());
  const queue = new Queue(RUNNER_QUEUE, { connection: redis, prefix: REDIS_PREFIX });
  queue.on("error", () => undefined);
  opened.defer(() => queue.close());
  await until("the pool is warm", 20_000, async () => (await redis.zcard(redisKeys.warm("default"))) >= pool.warm);

  const failover: Omit<Failover, typeof Symbol.asyncDispose> = {
    trio,
    provider,
    async provision(gitspaceId) {
      const head = { v: 1 as const, id: randomUUID(), gitspaceId, generation: 1, deadline: Date.now() + 60_000 };
      const task = { ...head, type: "vm.provision" as const, data: { pool: "default", homeDisk: gitspaceId } };
      let answer: Answer | undefined;
      await until(`${gitspaceId} is answered`, 70_000, async () => {
        const job = await queue.getJob(head.id);
        if (job === undefined) await queue.add(task.type, { task }, { jobId: head.id });
        else if (job.finishedOn !== undefined) answer = AnswerSchema.parse(job.returnvalue);
        return answer !== undefined;
      });
      return AnswerSchema.parse(answer);
    },
    vmOf: (answer) => (answer.outcome === "ok" ? (answer.result["vm"] as { instanceId: string }).instanceId : ""),
    claimsOnMaster: async () => (await trio.master.redis.keys(redisKeys.claim("*"))).length,
    wake: () => process.kill(trio.master.pid, "SIGCONT"),
    doubles: owners.doubles,
    async settled(ids) {
      await until("everything has settled", 60_000, async () => {
        const claimed = [...provider.vms.values()].filter(({ labels }) => labels["gs-gitspace"] !== undefined);
        if (
          claimed
            .map(({ labels }) => String(labels["gs-gitspace"]))
            .toSorted()
            .join() !== [...ids].toSorted().join()
        )
          return false;
        for (const { id, labels } of claimed) {
          const gitspace = labels["gs-gitspace"] ?? "";
          const route = JSON.parse((await redis.get(redisKeys.route(gitspace))) ?? "{}") as { instanceId?: string };
          if (route.instanceId !== id || provider.disks.get(gitspace)?.attachedTo !== id) return false;
        }
        const stock = [...provider.vms.values()].filter(({ labels }) => labels["gs-gitspace"] === undefined);
        const warm = await redis.zrange(redisKeys.warm("default"), "0", "-1");
        return (
          warm.length === pool.warm &&
          warm.toSorted().join() ===
            stock
              .map(({ id }) => id)
              .toSorted()
              .join()
        );
      });
    },
  };
  const close = opened.move();
  return Object.assign(failover, { [Symbol.asyncDispose]: () => close.disposeAsync() });
}

/** Writes down, at the provider, whom a VM was ever labelled for, whose disk it ever had, and whose its agent ever was. */
function watchOwners(provider: FakeProvider): { doubles: () => string[] } {
  const history = new Map<string, Set<string>>();
  const note = (vm: string, gitspace: string | undefined) => {
    if (gitspace !== undefined) history.set(vm, (history.get(vm) ?? new Set()).add(gitspace));
  };
  const [label, attachDisk, create] = [
    provider.label.bind(provider),
    provider.attachDisk.bind(provider),
    provider.create.bind(provider),
  ];
  provider.label = async (id, labels, version, call) => {
    const vm = await label(id, labels, version, call);
    note(id, vm.labels["gs-gitspace"]);
    return vm;
  };
  provider.create = async (request, call) => {
    const vm = await create(request, call);
    note(vm.id, vm.labels["gs-gitspace"]);
    return vm;
  };
  provider.attachDisk = async (disk, vm, call) => {
    await attachDisk(disk, vm, call);
    note(vm, disk);
  };
  return {
    doubles() {
      for (const [vm, agent] of provider.agents) note(vm, agent.identity?.gitspaceId);
      return [...history].flatMap(([vm, of]) =>
        of.size > 1 ? [`I1: ${vm} was given to ${[...of].join(" and ")}`] : [],
      );
    },
  };
}
