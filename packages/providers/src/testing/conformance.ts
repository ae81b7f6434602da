// What every provider promises, as tests: the same list for each adapter.
import { randomBytes } from "node:crypto";
import { type AgentMetadata, FailureError, type PoolSpec } from "@gitspaces/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Call, Labels, Provider, ProviderVm, VmRequest } from "../provider.ts";

export type ProviderUnderTest = {
  provider: Provider;
  /** A second opening of the same provider, as another process would have it. */
  reopen: () => Promise<Provider>;
  /** Writes a file into the home of a VM, as its user would; read by `readHome`. */
  writeHome: (vm: ProviderVm, name: string, text: string) => Promise<void>;
  readHome: (vm: ProviderVm, name: string) => Promise<string | undefined>;
  /** Resolves once the agent inside answers at the VM's address and port; rejects when it does not within seconds. */
  reach: (vm: ProviderVm) => Promise<void>;
  /** What VMs are made from; by default the process provider's. */
  pool?: PoolSpec;
  close: () => Promise<void>;
};

const processPool: PoolSpec = { name: "default", type: "process", warm: 0, max: 10, image: "default", isDefault: true };

/** Registers the claims for one provider. `open` is called once; everything it made is removed with it. */
export function providerClaims(name: string, open: () => Promise<ProviderUnderTest>): void {
  let under: ProviderUnderTest;
  let provider: Provider;
  const request = (labels: Labels = {}) => requestFor(under.pool ?? processPool, labels);
  // oxlint-disable-next-line vitest/expect-expect -- every claim brings its own
  const claim = (promise: string, body: () => Promise<void>) => test(`${name}: ${promise}`, { timeout: 60_000 }, body);

  beforeAll(async () => {
    under = await open();
    provider = under.provider;
  }, 60_000);
  afterAll(async () => {
    await under?.close();
  }, 60_000);

  claim("a created VM runs, has its labels, an address and an agent that answers", async () => {
    const vm = await provider.create(request({ "gs-pool": "default" }), call());
    expect(vm).toMatchObject({ power: "running", labels: { "gs-pool": "default" }, disks: [] });
    await under.reach(vm);
    await provider.remove(vm.id, call());
  });

  claim("creating the same id again gives the same VM", async () => {
    const wanted = request();
    const attempt = call();
    const first = await provider.create(wanted, attempt);
    const again = await provider.create(wanted, attempt);
    expect(again).toEqual(first);
    expect((await provider.list(call())).items.filter((vm) => vm.id === wanted.id)).toHaveLength(1);
    await provider.remove(wanted.id, call());
  });

  claim("many creates of one id at the same time make one VM", async () => {
    const wanted = request();
    const other = await under.reopen();
    const made = await Promise.all([provider, other, provider, other].map((each) => each.create(wanted, call())));
    expect(new Set(made.map((vm) => `${vm.address}:${vm.port}`)).size).toBe(1);
    await under.reach(made[0]!);
    await provider.remove(wanted.id, call());
  });

  claim("two VMs never share an address and port", async () => {
    const [one, two] = await Promise.all([provider.create(request(), call()), provider.create(request(), call())]);
    expect(`${one.address}:${one.port}`).not.toBe(`${two.address}:${two.port}`);
    await Promise.all([under.reach(one), under.reach(two)]);
    await Promise.all([provider.remove(one.id, call()), provider.remove(two.id, call())]);
  });

  claim("the id of a removed VM is never used again", async () => {
    const wanted = request();
    await provider.create(wanted, call());
    await provider.remove(wanted.id, call());
    await expect(provider.create(wanted, call())).rejects.toMatchObject({
      failure: { code: "conflict", retry: "never" },
    });
    expect(await provider.get(wanted.id, call())).toBeUndefined();
  });

  claim("a create that arrives after the removal of its id makes nothing", async () => {
    const wanted = request();
    await provider.remove(wanted.id, call());
    await expect(provider.create(wanted, call())).rejects.toBeInstanceOf(FailureError);
    expect(await provider.get(wanted.id, call())).toBeUndefined();
  });

  claim("removing what is absent succeeds, and so does removing twice", async () => {
    await provider.remove(fresh("absent"), call());
    const vm = await provider.create(request(), call());
    await provider.remove(vm.id, call());
    await provider.remove(vm.id, call());
    await provider.removeDisk(fresh("absent"), call());
    await provider.detachDisk(fresh("absent"), fresh("absent"), call());
  });

  claim("a removed VM is gone: not listed, not got, not reachable", async () => {
    const vm = await provider.create(request(), call());
    await under.reach(vm);
    await provider.remove(vm.id, call());
    expect(await provider.get(vm.id, call())).toBeUndefined();
    expect((await provider.list(call())).items.map(({ id }) => id)).not.toContain(vm.id);
    await expect(under.reach(vm)).rejects.toThrow(/./);
  });

  claim("a list is complete and holds every VM, also those another process made", async () => {
    const other = await under.reopen();
    const made = await Promise.all([provider.create(request(), call()), other.create(request(), call())]);
    const listing = await provider.list(call());
    expect(listing.complete).toBe(true);
    expect(listing.items.map(({ id }) => id)).toEqual(expect.arrayContaining(made.map(({ id }) => id)));
    for (const vm of made) await provider.remove(vm.id, call());
  });

  claim("labels merge and change the version", async () => {
    const vm = await provider.create(request({ "gs-pool": "default" }), call());
    const labelled = await provider.label(vm.id, { "gs-gitspace": "hello-k3v9x2" }, vm.version, call());
    expect(labelled.labels).toEqual({ "gs-pool": "default", "gs-gitspace": "hello-k3v9x2" });
    expect(labelled.version).not.toBe(vm.version);
    expect(await provider.get(vm.id, call())).toEqual(labelled);
    await provider.remove(vm.id, call());
  });

  claim("of many that label the same version, exactly one wins", async () => {
    const vm = await provider.create(request(), call());
    const other = await under.reopen();
    const rivals = Array.from({ length: 12 }, (_, index) => `rival-${index}`);
    const outcomes = await Promise.allSettled(
      rivals.map((rival, index) =>
        (index % 2 === 0 ? provider : other).label(vm.id, { "gs-gitspace": rival }, vm.version, call()),
      ),
    );
    const winners = rivals.filter((_, index) => outcomes[index]?.status === "fulfilled");
    expect(winners).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ failure: { code: "conflict" } });
    }
    expect((await provider.get(vm.id, call()))?.labels).toEqual({ "gs-gitspace": winners[0] });
    await provider.remove(vm.id, call());
  });

  claim("a label call repeated with its key is answered as the one it repeats", async () => {
    const vm = await provider.create(request(), call());
    const attempt = call();
    const first = await provider.label(vm.id, { "gs-task": "t1" }, vm.version, attempt);
    expect(await provider.label(vm.id, { "gs-task": "t1" }, vm.version, attempt)).toEqual(first);
    await provider.remove(vm.id, call());
  });

  claim("labelling a VM that is gone is not_found", async () => {
    await expect(provider.label(fresh("absent"), {}, "1", call())).rejects.toMatchObject({
      failure: { code: "not_found" },
    });
  });

  claim("a stopped VM keeps labels and disks and starts again", async () => {
    const vm = await provider.create(request({ "gs-slot": "s1" }), call());
    const disk = fresh("disk");
    await provider.createDisk(disk, {}, call());
    await provider.attachDisk(disk, vm.id, call());
    await under.writeHome(vm, "kept", "yes");
    await provider.stop(vm.id, call());
    await provider.stop(vm.id, call());
    expect(await provider.get(vm.id, call())).toMatchObject({
      power: "stopped",
      labels: { "gs-slot": "s1" },
      disks: [disk],
    });
    const started = await provider.start(vm.id, call());
    expect(await provider.start(vm.id, call())).toEqual(started);
    expect(started).toMatchObject({ power: "running", disks: [disk] });
    await under.reach(started);
    expect(await under.readHome(started, "kept")).toBe("yes");
    await provider.remove(vm.id, call());
    await provider.removeDisk(disk, call());
  });

  claim("what a capability denies is refused as unsupported", async () => {
    const vm = await provider.create(request(), call());
    if (provider.capabilities.suspend) {
      await provider.suspend(vm.id, call());
      expect((await provider.get(vm.id, call()))?.power).toBe("suspended");
      expect((await provider.resume(vm.id, call())).power).toBe("running");
    } else {
      await expect(provider.suspend(vm.id, call())).rejects.toMatchObject({ failure: { code: "unsupported" } });
      await expect(provider.resume(vm.id, call())).rejects.toMatchObject({ failure: { code: "unsupported" } });
    }
    await provider.remove(vm.id, call());
  });

  claim("a disk is made once and listed with its labels", async () => {
    const disk = fresh("disk");
    const made = await provider.createDisk(disk, { "gs-gitspace": "hello-k3v9x2" }, call());
    expect(await provider.createDisk(disk, {}, call())).toEqual(made);
    const listing = await provider.listDisks(call());
    expect(listing.complete).toBe(true);
    expect(listing.items.filter(({ id }) => id === disk)).toEqual([
      expect.objectContaining({ labels: { "gs-gitspace": "hello-k3v9x2" }, attachedTo: null }),
    ]);
    await provider.removeDisk(disk, call());
    expect((await provider.listDisks(call())).items.map(({ id }) => id)).not.toContain(disk);
  });

  claim("a disk appears in the running VM, and its data in the next VM", async () => {
    const disk = fresh("disk");
    await provider.createDisk(disk, {}, call());
    const one = await provider.create(request(), call());
    await under.reach(one);
    await provider.attachDisk(disk, one.id, call());
    await provider.attachDisk(disk, one.id, call());
    expect((await provider.get(one.id, call()))?.disks).toEqual([disk]);
    await under.writeHome(one, "work", "half done");
    await provider.remove(one.id, call());
    expect((await provider.listDisks(call())).items.find(({ id }) => id === disk)?.attachedTo).toBeNull();
    const two = await provider.create(request(), call());
    expect(await under.readHome(two, "work")).toBeUndefined();
    await provider.attachDisk(disk, two.id, call());
    expect(await under.readHome(two, "work")).toBe("half done");
    await under.writeHome(two, "work", "done");
    expect(await under.readHome(two, "work")).toBe("done");
    await provider.detachDisk(disk, two.id, call());
    await provider.detachDisk(disk, two.id, call());
    expect(await under.readHome(two, "work")).toBeUndefined();
    await provider.remove(two.id, call());
    await provider.removeDisk(disk, call());
  });

  claim("a disk is in one VM at a time", async () => {
    const disk = fresh("disk");
    await provider.createDisk(disk, {}, call());
    const vms = await Promise.all([provider.create(request(), call()), provider.create(request(), call())]);
    const outcomes = await Promise.allSettled(vms.map((vm) => provider.attachDisk(disk, vm.id, call())));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(outcomes.find((each) => each.status === "rejected")?.reason).toMatchObject({
      failure: { code: "conflict" },
    });
    await expect(provider.removeDisk(disk, call())).rejects.toMatchObject({ failure: { code: "conflict" } });
    for (const vm of vms) await provider.remove(vm.id, call());
    await provider.removeDisk(disk, call());
  });

  claim("attaching what does not exist is not_found", async () => {
    const vm = await provider.create(request(), call());
    await expect(provider.attachDisk(fresh("absent"), vm.id, call())).rejects.toMatchObject({
      failure: { code: "not_found" },
    });
    const disk = fresh("disk");
    await provider.createDisk(disk, {}, call());
    await expect(provider.attachDisk(disk, fresh("absent"), call())).rejects.toMatchObject({
      failure: { code: "not_found" },
    });
    await provider.remove(vm.id, call());
    await provider.removeDisk(disk, call());
  });

  claim("a snapshot repeated under its name is one snapshot, or snapshots are unsupported", async () => {
    const disk = fresh("disk");
    await provider.createDisk(disk, {}, call());
    const snapshot = fresh("snapshot");
    const take = () => provider.snapshotDisk(disk, snapshot, call());
    if (provider.capabilities.snapshot) {
      await take();
      await take();
    } else await expect(take()).rejects.toMatchObject({ failure: { code: "unsupported" } });
    await provider.removeDisk(disk, call());
  });

  claim("a VM's last output can be read, and of an absent VM it is empty", async () => {
    const vm = await provider.create(request(), call());
    await under.reach(vm);
    expect(await provider.diagnose(vm.id, call())).not.toBe("");
    await provider.remove(vm.id, call());
    expect(await provider.diagnose(fresh("absent"), call())).toBe("");
  });

  claim("an id that is no id is refused before anything is done", async () => {
    for (const id of ["../vms", "", "A", "a/b", ".gone"]) {
      await expect(provider.remove(id, call())).rejects.toMatchObject({ failure: { code: "bad_request" } });
      await expect(provider.removeDisk(id, call())).rejects.toMatchObject({ failure: { code: "bad_request" } });
    }
  });
}

/** A call as a runner makes it: its own key, and a wait that ends. */
export function call(): Call {
  return { key: fresh("call"), signal: AbortSignal.timeout(45_000) };
}

/** A request to the process provider for a VM that was never asked for before. */
export function request(labels: Labels = {}): VmRequest {
  return requestFor(processPool, labels);
}

/** The same to any provider. */
export function requestFor(pool: PoolSpec, labels: Labels = {}): VmRequest {
  const id = fresh("vm");
  return { id, pool, labels, metadata: metadataOf(id) };
}

function metadataOf(instanceId: string): AgentMetadata {
  return { enrolUrl: "https://127.0.0.1:1", caFingerprint: "0".repeat(64), token: "t".repeat(32), instanceId };
}

function fresh(what: string): string {
  return `${what}-${randomBytes(5).toString("hex")}`;
}
