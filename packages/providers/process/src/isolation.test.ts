// The walls between VMs, the machine and the world, tried with real traffic. Needs root, as the walls do.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type Server, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ProviderVm } from "../../src/provider.ts";
import { call, request } from "../../src/testing/conformance.ts";
import { canIsolate } from "./can-isolate.ts";
import { attempt, run } from "./command.ts";
import { type Bench, ask, openBench } from "./testing/bench.ts";

test("whether a machine can isolate is answered with yes or with a reason", () => {
  const answer = canIsolate();
  expect(answer).toHaveProperty(answer.ok ? "ok" : "why");
});

[canIsolate()].filter(({ ok }) => ok).forEach(walls);

function walls(): void {
  const opened = new AsyncDisposableStack();
  let allowed: number;
  let denied: number;
  let onLoopback: number;
  let here: Bench;
  let one: ProviderVm;
  let two: ProviderVm;
  let elsewhere: ProviderVm;

  beforeAll(async () => {
    process.env["GITSPACES_TEST_SECRET"] = "of the one who made the VM";
    [allowed, denied, onLoopback] = await Promise.all([serve("0.0.0.0"), serve("0.0.0.0"), serve("127.0.0.1")]);
    here = await openBench("namespace", [allowed]);
    opened.defer(() => here.close());
    const there = await openBench("namespace", [allowed]);
    opened.defer(() => there.close());
    [one, two, elsewhere] = await Promise.all([
      here.provider.create(request(), call()),
      here.provider.create(request(), call()),
      there.provider.create(request(), call()),
    ]);
    await Promise.all([one, two, elsewhere].map((vm) => here.reach(vm)));
  }, 60_000);

  afterAll(async () => {
    delete process.env["GITSPACES_TEST_SECRET"];
    await opened.disposeAsync();
  }, 60_000);

  const from = (vm: ProviderVm, host: string, port: number) => ask(vm, "connect", { host, port });

  test("a VM reaches the enrolment address on the named ports and on no other", async () => {
    expect(await from(one, here.options.enrolAddress, allowed)).toBe("connected");
    expect(await from(one, here.options.enrolAddress, denied)).toBe("ECONNREFUSED");
  });

  test("a VM reaches no address of the host, also not where a service listens on all of them", async () => {
    const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
    const ofHost = addresses.filter(
      ({ family, address }) =>
        family === "IPv4" && !address.startsWith("127.") && address !== here.options.enrolAddress,
    );
    expect(ofHost.length).toBeGreaterThan(1);
    for (const { address } of ofHost)
      expect([address, await from(one, address, allowed)]).toEqual([address, "ECONNREFUSED"]);
  });

  test("a VM's loopback is its own", async () => {
    expect(await from(one, "127.0.0.1", onLoopback)).toBe("ECONNREFUSED");
    expect(await from(one, "127.0.0.1", 8083)).toBe("connected");
  });

  test("VMs do not reach each other, in one installation or between two", async () => {
    expect(await from(one, two.address!, two.port)).toBe("ECONNREFUSED");
    expect(await from(one, elsewhere.address!, elsewhere.port)).toBe("ECONNREFUSED");
    expect(await from(elsewhere, one.address!, one.port)).toBe("ECONNREFUSED");
    expect(await from(two, two.address!, two.port)).toBe("connected");
  });

  test("a VM does not reach the metadata address", async () => {
    await using metadata = await addAddress("169.254.169.254", "lo");
    expect(await from(one, metadata.address, allowed)).toBe("ECONNREFUSED");
  });

  test("a VM reaches the outside world under the host's address, and the outside does not reach it", async () => {
    await using outside = await outsideWorld();
    expect(await from(one, outside.address, outside.port)).toBe("connected");
    expect(await outside.callers()).toEqual([outside.hostAddress]);
    expect(await outside.connect(one.address!, one.port)).not.toBe("connected");
  });

  test("a VM has a user of its own without a way to become another", async () => {
    const [first, second] = (await Promise.all([one, two].map((vm) => ask(vm, "user")))) as { uid: number }[];
    expect(first!.uid).toBeGreaterThan(200_000);
    expect(second!.uid).not.toBe(first!.uid);
    const status = (await shell(one, "cat /proc/self/status; cat /etc/passwd; id -un")).stdout;
    expect(status).toMatch(/NoNewPrivs:\s1/);
    expect(status).toMatch(/CapEff:\s0+\n/);
    expect(status).toMatch(/CapBnd:\s0+\n/);
    expect(status.trim().endsWith("\ndev")).toBe(true);
  });

  test("a VM sees neither the machine's processes, nor its files, nor its maker's environment", async () => {
    const processes = (await shell(one, "cat /proc/[0-9]*/comm")).stdout.trim().split("\n");
    expect(processes.length).toBeLessThan(8);
    const hidden = [
      here.options.dataFolder,
      "/root",
      "/etc/shadow",
      "/etc/redis",
      "/var/log",
      "/sys",
      "/opt/gitspaces/.git",
    ];
    for (const path of hidden) expect([path, (await shell(one, `ls ${path}`)).code]).not.toEqual([path, 0]);
    const environment = (await ask(one, "environment")) as Record<string, string>;
    expect(Object.keys(environment)).not.toContain("GITSPACES_TEST_SECRET");
    expect(environment).toMatchObject({
      HOME: "/home/dev",
      GITSPACES_ISOLATION: "namespace",
      GITSPACES_LISTEN: "0.0.0.0:8083",
    });
  });

  test("a VM writes to its home, its state and /tmp, and to nothing of the system", async () => {
    for (const path of ["/home/dev", "/var/lib/gitspaces", "/tmp", "/dev/shm"]) {
      expect([path, (await shell(one, `touch ${path}/file`)).code]).toEqual([path, 0]);
    }
    for (const path of ["/usr", "/etc", "/home", "/opt/image", "/opt/agent", "/run"]) {
      expect([path, (await shell(one, `touch ${path}/file`)).code]).not.toEqual([path, 0]);
    }
    expect((await shell(two, "ls -A /tmp /dev/shm /home/dev")).stdout).not.toContain("file");
  });

  test("a VM knows its name, resolves names where the host does, and has no IPv6 address", async () => {
    expect((await shell(one, "hostname")).stdout.trim()).toBe(one.id);
    expect((await shell(one, `getent hosts ${one.id}`)).stdout).toContain(one.address);
    expect((await shell(one, "cat /etc/resolv.conf")).stdout).toMatch(/^nameserver (?!127\.)/m);
    expect((await shell(one, "cat /proc/net/if_inet6")).stdout).not.toContain("eth0");
  });

  async function serve(host: string): Promise<number> {
    const server: Server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.end();
    }).listen(0, host);
    await once(server, "listening");
    opened.defer(() => void server.close());
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return address.port;
  }
}

async function shell(
  vm: ProviderVm,
  command: string,
): Promise<{ code: number | string; stdout: string; stderr: string }> {
  return (await ask(vm, "run", { command })) as { code: number | string; stdout: string; stderr: string };
}

async function addAddress(address: string, device: string) {
  await run("ip", ["address", "replace", `${address}/32`, "dev", device]);
  const remove = async () => void (await attempt("ip", ["address", "delete", `${address}/32`, "dev", device]));
  return { address, [Symbol.asyncDispose]: remove };
}

/** A machine beyond the host: a namespace with one server that tells who called, and that knows the way to the VMs. */
async function outsideWorld() {
  const name = `world-${process.pid}`.slice(0, 15);
  const [hostAddress, address, port] = ["198.51.100.1", "198.51.100.2", 7777];
  await using opened = new AsyncDisposableStack();
  await run("ip", ["netns", "add", name]);
  opened.defer(async () => void (await attempt("ip", ["netns", "delete", name])));
  await run("ip", ["link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name]);
  opened.defer(async () => void (await attempt("ip", ["link", "delete", name])));
  await run("ip", ["address", "add", `${hostAddress}/30`, "dev", name]);
  await run("ip", ["link", "set", name, "up"]);
  const inside = ["address add 198.51.100.2/30 dev eth0", "link set eth0 up", "route add default via 198.51.100.1"];
  await run("ip", ["-n", name, "-batch", "-"], { input: `${inside.join("\n")}\n` });
  const program = `require("net").createServer((s) => { console.log(s.remoteAddress); s.on("error", () => {}); s.end(); })
    .listen(${port}, () => console.log("ready"));`;
  const server = spawn("ip", ["netns", "exec", name, process.execPath, "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  opened.defer(async () => {
    const closed = once(server, "close");
    server.kill("SIGKILL");
    await closed;
  });
  let said = "";
  server.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  while (!said.includes("ready")) await once(server.stdout, "data");
  const kept = opened.move();
  return {
    address,
    port,
    hostAddress,
    async callers() {
      if (said.trim() === "ready") await once(server.stdout, "data");
      return said
        .trim()
        .split("\n")
        .slice(1)
        .map((caller) => caller.replace("::ffff:", ""));
    },
    async connect(host: string, to: number): Promise<string> {
      const dial = `const s = require("net").connect({ host: "${host}", port: ${to}, timeout: 1500 });
        const end = (said) => { console.log(said); process.exit(); };
        s.on("connect", () => end("connected")); s.on("timeout", () => end("timeout")); s.on("error", (e) => end(e.code));`;
      return (await run("ip", ["netns", "exec", name, process.execPath, "-e", dial])).trim();
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
