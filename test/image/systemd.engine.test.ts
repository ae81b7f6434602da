// The same recipe on a machine with a service manager: systemd as the first program of a container, the real agent as its unit.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { build, docker, images, openMachines, rights, until } from "./vm-container.ts";

const recipe = fileURLToPath(new URL("../../deploy/image", import.meta.url));
const dockerfile = fileURLToPath(new URL("systemd.Dockerfile", import.meta.url));
const image = "gitspaces/vm-systemd-test:latest";
const metadata = {
  enrolUrl: "https://192.0.2.1:8443",
  caFingerprint: "0".repeat(64),
  token: "t".repeat(40),
  instanceId: "vm-1",
};

let machines: Awaited<ReturnType<typeof openMachines>>;
let vm: string;
let container: string;

beforeAll(async () => {
  container = (await images()).vm;
  await build(image, { dockerfile, folder: recipe, args: { VM: container, MACHINE: "gitspaces/vm-machine:latest" } });
  machines = await openMachines();
  const places = ["/run", "/run/lock", "/tmp"].map((path) => `--tmpfs=${path}`);
  const groups = ["--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup", "--stop-signal=SIGRTMIN+3"];
  vm = await machines.run("systemd", [...rights, ...places, ...groups, image], async (name) => {
    const folder = await mkdtemp(join(tmpdir(), "gs-image-test-"));
    await writeFile(join(folder, "metadata.json"), JSON.stringify(metadata), { mode: 0o600 });
    await docker("cp", join(folder, "metadata.json"), `${name}:/etc/gitspaces/metadata.json`);
    await rm(folder, { recursive: true });
  });
  await until(booted, (state) => state === "running" || state === "degraded", 30_000);
}, 600_000);

afterAll(async () => await machines?.[Symbol.asyncDispose](), 60_000);

const inVm = async (...command: string[]) => await docker("exec", vm, ...command);
const booted = async () =>
  await inVm("systemctl", "is-system-running").catch((error: { stdout: string }) => error.stdout.trim());
const property = async (unit: string, name: string) => await inVm("systemctl", "show", "--value", "-p", name, unit);
const isActive = async (unit: string) => await property(unit, "ActiveState");

test("a machine boots with nothing failed, its agent runs and its engine waits", async () => {
  expect(await inVm("systemctl", "--failed", "--no-legend")).toBe("");
  expect(await isActive("gitspaces-agent")).toBe("active");
  expect(await isActive("gitspaces-firewall")).toBe("active");
  expect(await isActive("gitspaces-engine")).toBe("inactive");
});

test("an agent that is killed is started again, and the engine goes on", async () => {
  await inVm("/opt/gitspaces/bin/engine", "start");
  await until(
    async () => await isActive("gitspaces-engine"),
    (state) => state === "active",
    20_000,
  );
  const engine = await property("gitspaces-engine", "MainPID");
  const agent = await property("gitspaces-agent", "MainPID");
  await inVm("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "gitspaces-agent");
  const pid = async () => await property("gitspaces-agent", "MainPID");
  await until(pid, (now) => now !== agent && now !== "0");
  expect(await property("gitspaces-engine", "MainPID")).toBe(engine);
}, 40_000);

test("the engine's stop ends it with its resolver, and it is not started again by a look at it", async () => {
  await inVm("/opt/gitspaces/bin/engine", "stop");
  await expect(inVm("/opt/gitspaces/bin/engine", "status")).rejects.toThrow("failed");
  expect(await isActive("gitspaces-engine")).toBe("inactive");
  expect(await isActive("gitspaces-resolver")).toBe("inactive");
}, 60_000);

test("the unit tells the agent what the container image tells it", async () => {
  const told = JSON.parse(await docker("inspect", "--format", "{{json .Config.Env}}", container)) as string[];
  const unit = (await property("gitspaces-agent", "Environment")).split(" ");
  expect(unit).toEqual(expect.arrayContaining(told.filter((each) => !each.startsWith("PATH="))));
  const command = JSON.parse(await docker("inspect", "--format", "{{json .Config.Cmd}}", container)) as string[];
  expect(await property("gitspaces-agent", "ExecStart")).toContain(`argv[]=${command.join(" ")} ;`);
});

test.each([
  ["gitspaces-agent", 65],
  ["gitspaces-resolver", 30],
  ["gitspaces-metadata", 25],
  ["gitspaces-firewall", 50],
])("%s is confined as far as its work allows", async (unit, threshold) => {
  const args = ["security", "--offline=true", `--threshold=${threshold}`, "--no-pager"];
  await expect(inVm("systemd-analyze", ...args, `/etc/systemd/system/${unit}.service`)).resolves.toContain("Overall");
});

test("units are well-formed", async () => {
  const units = await inVm("sh", "-c", "ls /etc/systemd/system/gitspaces-*.service");
  await expect(inVm("systemd-analyze", "verify", "--man=no", ...units.split("\n"))).resolves.toBe("");
});

test("a home disk is formatted when it is blank, and never otherwise", async () => {
  const format = async () => await inVm("/opt/gitspaces/bin/home-disk", "format", "/tmp/disk");
  const disk = async () => await inVm("blkid", "-p", "-o", "value", "-s", "UUID", "-s", "TYPE", "/tmp/disk");
  await inVm("truncate", "--size=64M", "/tmp/disk");
  await format();
  const made = await disk();
  expect(made).toContain("ext4");
  await format();
  expect(await disk()).toBe(made);
  await inVm(
    "sh",
    "-c",
    "rm /tmp/disk; truncate --size=64M /tmp/disk; echo work | dd of=/tmp/disk bs=1 seek=70000 conv=notrunc",
  );
  await expect(format()).rejects.toThrow("it is left as it is");
});

test("sshd makes keys of its own when it is started", async () => {
  await inVm("systemctl", "start", "ssh");
  expect(await inVm("sh", "-c", "ls /etc/ssh/ssh_host_ed25519_key")).toContain("ed25519");
});
