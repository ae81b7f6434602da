// The walls of a VM, tried from where they are needed: from a dev container inside, and from a neighbour on its network.
import { afterAll, beforeAll, expect, test } from "vitest";
import { docker, images, loadInto, openMachines, rights, until } from "./vm-container.ts";

const small = "debian:bookworm-slim";
const node = "/opt/gitspaces/bin/node";
const listen = (...ports: number[]) =>
  ports
    .map((port) => `require("node:net").createServer((guest) => guest.on("error", () => {}).end()).listen(${port});`)
    .join("");

let machines: Awaited<ReturnType<typeof openMachines>>;
let vm: string;
let neighbour: string;
let address: { vm: string; neighbour: string; gateway: string };

beforeAll(async () => {
  const { vm: image } = await images();
  machines = await openMachines();
  neighbour = await machines.run("neighbour", ["--entrypoint", node, image, "-e", listen(9001, 9002)]);
  const neighbourAddress = await addressOf(neighbour);
  const allowed = ["--env", `GITSPACES_EGRESS_ALLOW=${neighbourAddress}:9001,nonsense`];
  vm = await machines.run("vm", [
    "--cgroupns=private",
    ...rights,
    ...allowed,
    image,
    node,
    "-e",
    listen(8083, 8084, 22),
  ]);
  address = { vm: await addressOf(vm), neighbour: neighbourAddress, gateway: await gatewayOf(vm) };
  await startEngine();
  await loadInto(vm, small);
  await docker("exec", vm, "docker", "run", "--detach", "--name", "dev", "--init", small, "sleep", "600");
}, 600_000);

afterAll(async () => await machines?.[Symbol.asyncDispose](), 60_000);

const network = (field: string) => `{{range .NetworkSettings.Networks}}{{.${field}}}{{end}}`;
const addressOf = async (name: string) => await docker("inspect", "--format", network("IPAddress"), name);
const gatewayOf = async (name: string) => await docker("inspect", "--format", network("Gateway"), name);

async function startEngine(): Promise<void> {
  await until(
    async () =>
      await docker("exec", vm, "/opt/gitspaces/bin/engine", "start").then(
        () => true,
        () => false,
      ),
    (started) => started,
  );
  const status = async () => await docker("exec", vm, "/opt/gitspaces/bin/engine", "status").catch(() => "stopped");
  await until(status, (state) => state === "running");
}

/** Whether a connection is made, within two seconds, by a program in the given place. */
async function reaches(place: string[], host: string, port: number): Promise<boolean> {
  const attempt = `exec 3<>/dev/tcp/${host}/${port}`;
  return await docker("exec", ...place, "timeout", "2", "bash", "-c", attempt).then(
    () => true,
    () => false,
  );
}
const inside = () => [vm, "docker", "exec", "dev"];

test("a neighbour reaches the agent's port of a VM and no other", async () => {
  const ports = [8083, 8084, 22];
  expect(await Promise.all(ports.map(async (port) => await reaches([neighbour], address.vm, port)))).toEqual([
    true,
    false,
    false,
  ]);
});

test("a port that a container publishes is for the VM alone", async () => {
  const serve = "use Socket; socket S,2,1,0; bind S,sockaddr_in(80,INADDR_ANY); listen S,5; accept C,S while 1";
  await docker("exec", vm, "docker", "run", "--detach", "--init", "--publish", "3000:80", small, "perl", "-e", serve);
  await until(async () => await reaches([vm], "127.0.0.1", 3000), Boolean);
  expect(await reaches([neighbour], address.vm, 3000)).toBe(false);
});

test("a dev container reaches neither the VM nor the metadata service", async () => {
  const bridge = await docker("exec", vm, "docker", "exec", "dev", "perl", "-lane", gatewayScript, "/proc/net/route");
  for (const [host, port] of [
    [address.vm, 8083],
    [bridge, 8083],
    ["192.0.2.53", 8083],
    ["169.254.169.254", 80],
    ["168.63.129.16", 80],
    ["100.100.100.200", 80],
  ] as const)
    expect([host, await reaches(inside(), host, port)]).toEqual([host, false]);
});

/** Writes the default gateway as /proc/net/route has it. */
const gatewayScript = 'print join ".", reverse map hex, $F[2] =~ /../g if $F[1] eq "00000000"';

test("a dev container reaches of private networks what is allowed, and nothing more", async () => {
  await until(async () => await reaches(inside(), address.neighbour, 9001), Boolean);
  expect(await reaches(inside(), address.neighbour, 9002)).toBe(false);
});

test("an entry that is no address allows nothing and is named", async () => {
  expect(await docker("logs", vm)).toContain("nonsense in GITSPACES_EGRESS_ALLOW");
});

test("names are known inside, those of metadata services are not", async () => {
  const name = await docker("exec", vm, "hostname");
  expect(await docker("exec", ...inside(), "getent", "hosts", name)).toContain(address.vm);
  await expect(docker("exec", ...inside(), "getent", "hosts", "metadata.google.internal")).rejects.toThrow("failed");
});

test("the walls stand again after the engine, and after the rules are made anew", async () => {
  await docker("exec", vm, "/opt/gitspaces/bin/engine", "stop");
  await startEngine();
  await docker("exec", vm, "/opt/gitspaces/bin/firewall");
  await docker("exec", vm, "docker", "start", "dev");
  await until(async () => await reaches(inside(), address.neighbour, 9001), Boolean);
  expect(await reaches(inside(), address.neighbour, 9002)).toBe(false);
  expect(await reaches(inside(), "169.254.169.254", 80)).toBe(false);
  const hooks = await docker("exec", vm, "iptables", "-S", "DOCKER-USER");
  expect(hooks.split("\n").filter((line) => line.endsWith("-j GITSPACES-FORWARD"))).toHaveLength(1);
}, 30_000);
