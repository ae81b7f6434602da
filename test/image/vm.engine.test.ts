// The image of VMs, run as the docker provider runs it: its init, its engine, and what is in it. The agent has a stand-in.
import { afterAll, beforeAll, expect, test } from "vitest";
import { docker, images, loadInto, openMachines, rights, until } from "./vm-container.ts";

const small = "debian:bookworm-slim";
/** Listens as the agent does, says who it is, and what it was told at the end. */
const standIn = `
  require("node:http").createServer((_, answer) => answer.end(String(process.pid))).listen(8083);
  process.on("SIGTERM", () => { console.log("the agent was told to end"); process.exit(0); });`;

let machines: Awaited<ReturnType<typeof openMachines>>;
let image: string;
let vm: string;

beforeAll(async () => {
  image = (await images()).vm;
  machines = await openMachines();
  vm = await machines.run("vm", ["--cgroupns=private", ...rights, image, "/opt/gitspaces/bin/node", "-e", standIn]);
  await until(agentPid, (pid) => pid !== "");
  await startEngine();
  await loadInto(vm, small);
}, 600_000);

afterAll(async () => await machines?.[Symbol.asyncDispose](), 60_000);

const inVm = async (...command: string[]) => await docker("exec", vm, ...command);
const shell = async (script: string) => await inVm("sh", "-c", script);
const engine = async (verb: string) => await inVm("/opt/gitspaces/bin/engine", verb);
const engineState = async () => await engine("status").catch(() => "stopped");
const agentPid = async () => await shell("pgrep -x -f '/opt/gitspaces/bin/node -e.*' || :");
const daemons = async () => await shell("pgrep -x -c dockerd || :");

async function startEngine(): Promise<void> {
  await engine("start");
  await until(engineState, (state) => state === "running");
}

test("an agent that is killed is started again", async () => {
  const before = await agentPid();
  await inVm("kill", "-KILL", before);
  expect(await until(agentPid, (pid) => pid !== "" && pid !== before)).toMatch(/^\d+$/);
});

test("the VM's own engine runs containers", async () => {
  expect(await inVm("docker", "run", "--rm", small, "echo", "from inside")).toBe("from inside");
});

test("two starts at once give one engine, and a start of one that runs leaves it alone", async () => {
  const before = await shell("cat /run/gitspaces/engine-pid");
  await Promise.all([engine("start"), engine("start")]);
  await until(engineState, (state) => state === "running");
  expect(await daemons()).toBe("1");
  expect(await shell("cat /run/gitspaces/engine-pid")).toBe(before);
});

test("an engine takes nothing with it of who started it: its agent ends what carries its mark", async () => {
  await engine("stop");
  await docker("exec", "--env", "GITSPACE_VM=vm-1", vm, "/opt/gitspaces/bin/engine", "start");
  await until(engineState, (state) => state === "running");
  expect(await shell("cat /proc/$(cat /run/gitspaces/engine-pid)/environ | tr '\\0' '\\n'")).not.toContain("GITSPACE");
});

test("an engine that is killed comes back and finds its containers running", async () => {
  await inVm("docker", "run", "--detach", "--name", "survivor", "--init", small, "sleep", "600");
  const before = await inVm("docker", "inspect", "--format", "{{.State.Pid}}", "survivor");
  await shell("kill -KILL $(cat /run/gitspaces/engine-pid)");
  const pid = async () => await inVm("docker", "inspect", "--format", "{{.State.Pid}}", "survivor").catch(() => "");
  expect(await until(pid, (answer) => answer !== "")).toBe(before);
  expect(await inVm("docker", "exec", "survivor", "echo", "alive")).toBe("alive");
  expect(await daemons()).toBe("1");
});

test("an engine whose keeper is killed stays the only one, and can be stopped", async () => {
  await shell("pkill -KILL -f '[e]ngine keep'");
  await startEngine();
  expect(await daemons()).toBe("1");
  await engine("stop");
  expect(await daemons()).toBe("0");
});

test("a stop ends containers and engine, and again; nothing of them stays", async () => {
  await startEngine();
  await inVm("docker", "start", "survivor");
  await Promise.all([engine("stop"), engine("stop")]);
  expect(await shell("pgrep -l 'dockerd|containerd|sleep|dnsmasq' || :")).toBe("");
  expect(await engineState()).toBe("stopped");
}, 30_000);

test("a VM that is started again has its engine's images, and its containers ended", async () => {
  await startEngine();
  await inVm("docker", "start", "survivor");
  await docker("restart", "--time", "1", vm);
  await until(agentPid, (pid) => pid !== "");
  await startEngine();
  expect(await inVm("docker", "run", "--rm", small, "echo", "again")).toBe("again");
  expect(await inVm("docker", "inspect", "--format", "{{.State.Running}}", "survivor")).toBe("false");
}, 30_000);

test("a VM that is told to end tells the agent, ends its engine and ends", async () => {
  await docker("stop", "--time", "20", vm);
  expect(await docker("inspect", "--format", "{{.State.ExitCode}}", vm)).toBe("0");
  expect(await docker("logs", "--tail", "5", vm)).toContain("the agent was told to end");
  await docker("start", vm);
}, 30_000);

test("no program in the image raises its caller's rights, and no secret is shared by its copies", async () => {
  expect(await shell("find / -xdev -type f -perm /6000 -not -path '/proc/*'")).toBe("");
  expect(await shell("ls /etc/ssh/ssh_host_* 2>/dev/null || :")).toBe("");
  expect(await shell("cut -d: -f2 /etc/shadow | grep -v '^[*!]' || :")).toBe("");
});

test("sshd would let in keys alone, and never root", async () => {
  const settings = await shell("mkdir -p /run/sshd && ssh-keygen -A >/dev/null && /usr/sbin/sshd -T");
  for (const line of ["passwordauthentication no", "permitrootlogin no", "allowagentforwarding no", "permittunnel no"])
    expect(settings).toContain(line);
});

test("the agent, the devcontainer program and the IDE have all they need", async () => {
  const agent = await shell("/opt/gitspaces/bin/node /opt/gitspaces/packages/agent/src/main.ts 2>&1 || :");
  expect(agent).toContain("/etc/gitspaces/metadata.json");
  expect(agent).not.toContain("ERR_MODULE_NOT_FOUND");
  const node = "/opt/gitspaces/bin/node /opt/gitspaces";
  expect(await shell(`${node}/node_modules/@devcontainers/cli/devcontainer.js --version`)).toMatch(/^\d+\./);
  expect(await shell(`${node}/ide/node_modules/code-server/out/node/entry.js --version`)).toContain("with Code");
});
