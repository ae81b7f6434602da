// The IDE in a real container: comes up as the person, comes back, is joined by the next agent, cannot be swapped for something else.
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLog } from "@gitspaces/daemon";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type TestContainer, testContainer } from "../testing/test-container.ts";
import { type TestInside, testInside } from "../testing/inside-folder.ts";
import type { Container } from "./container.ts";
import { type ContainerIde, openContainerIde } from "./ide.ts";
import { MARK, runInside } from "./in-container.ts";
import { INSIDE } from "./inside-folder.ts";
import { markedProcesses } from "./marked-processes.ts";
import { readReceived } from "./received-file.ts";

let vm: TestInside;
let box: TestContainer;
let container: Container;
let ide: ContainerIde;
const notes: string[] = [];
const soon = () => AbortSignal.timeout(14_000);
const open = () =>
  openContainerIde({
    engine: box.engine,
    inside: vm.inside,
    note: (sentence) => notes.push(sentence),
    log: createLog("agent", "silent"),
  });

beforeAll(async () => {
  vm = await testInside();
  box = await testContainer(vm.options);
  const customizations = {
    extensions: ["here.one", "./two.vsix", "-not.this", "not.this"],
    settings: { "a.b": 1, "c.d": 2 },
  };
  container = { ...box.container, env: { ...box.container.env, ASKED: "for" }, customizations };
});
afterAll(async () => {
  await box[Symbol.asyncDispose]();
  await vm[Symbol.asyncDispose]();
});
beforeEach(() => {
  ide = open();
});
afterEach(async () => await ide.stop());

type Told = { env: Record<string, string>; folder: string; pid: number };
async function told(path = "/"): Promise<Told> {
  const socket = await ide.dial();
  return await new Promise((resolve, reject) => {
    const asking = request(
      { createConnection: () => socket, path, headers: { host: "x", connection: "close" } },
      (answer) => {
        text(answer).then((body) => resolve(JSON.parse(body) as Told), reject);
      },
    );
    asking.once("error", reject).end();
  });
}
const inside = async (script: string, user = "node") =>
  (await runInside(box.engine, container, { args: ["sh", "-c", script], user, signal: soon() })).output;

test("it comes up inside as the person, with what remoteEnv asks for, and has no port", async () => {
  ide.start(container);
  expect(ide.state).toBe("starting");
  await ide.ready(soon());
  const { env, folder } = await told();
  expect(env).toMatchObject({ HOME: "/home/node", USER: "node", ASKED: "for", SHELL: "/bin/bash" });
  expect(env["PATH"]?.endsWith(`:${INSIDE.path}`)).toBe(true);
  expect(folder).toBe("/home/node/.local/share/code-server");
  expect(await inside("stat -c %U /run/gitspaces/ide/ide.sock; cat ~/.local/share/code-server/coder.json")).toEqual([
    "node",
    '{"query":{"folder":"/home/node"}}',
  ]);
});

test("its settings are the configuration's, under what the person chose", async () => {
  const data = "/home/node/.local/share/code-server";
  await inside(`mkdir -p ${data}/Machine && echo '{"a.b": 9, "their.own": true}' > ${data}/Machine/settings.json`);
  await inside(
    `rm -f ${data}/Machine/gitspace-settings.json; mkdir -p ${data}/User; echo '{"c.d": 3}' > ${data}/User/settings.json`,
  );
  ide.start(container);
  await ide.ready(soon());
  const settings = (await inside(`cat ${data}/Machine/settings.json`)).join("");
  expect(JSON.parse(settings)).toEqual({ "a.b": 9, "their.own": true });
});

test("settings that are no longer asked for go, and others come", async () => {
  const file = "/home/node/.local/share/code-server/Machine/settings.json";
  await inside(`rm -f ${file} ${file.replace("settings.json", "gitspace-settings.json")}`);
  const asked = (settings: Record<string, unknown>) => ({
    ...container,
    customizations: { extensions: [], settings },
  });
  ide.start(asked({ "x.gone": 1, "x.kept": [1] }));
  await ide.ready(soon());
  await ide.stop();
  ide.start(asked({ "x.kept": [2], "x.new": true }));
  await ide.ready(soon());
  expect(JSON.parse((await inside(`cat ${file}`)).join(""))).toEqual({ "x.kept": [2], "x.new": true });
});

test("one that dies is started again", async () => {
  ide.start(container);
  await ide.ready(soon());
  const { pid } = await told();
  await inside(`kill -9 ${pid}`);
  await expect.poll(() => ide.state).toBe("starting");
  await ide.ready(soon());
  expect((await told()).pid).not.toBe(pid);
});

test("an agent that leaves leaves it running, and the next agent joins it", async () => {
  ide.start(container);
  await ide.ready(soon());
  const { pid } = await told();
  await ide[Symbol.asyncDispose]();
  ide = open();
  ide.start(container);
  await ide.ready(soon());
  expect((await told()).pid).toBe(pid);
  await inside(`kill -9 ${pid}`);
  await expect.poll(async () => (await told().catch(() => undefined))?.pid, { timeout: 10_000 }).not.toBe(pid);
  await ide.ready(soon());
});

test("a stop ends it", async () => {
  ide.start(container);
  await ide.ready(soon());
  await ide.stop();
  expect(markedProcesses(`${MARK}=ide-${container.id}`, container.pid)).toEqual([]);
  await expect(ide.dial()).rejects.toMatchObject({ failure: { code: "vm_unreachable" } });
});

test("one that cannot start fails with its last words", async () => {
  writeFileSync(join(vm.imageFolder, "broken"), "");
  try {
    ide.start(container);
    const failed = { failure: { code: "ide_failed", message: "The IDE did not start: the stand-in is broken" } };
    await expect(ide.ready(soon())).rejects.toMatchObject(failed);
    expect(ide.state).toBe("failed");
  } finally {
    rmSync(join(vm.imageFolder, "broken"));
  }
});

test("a link in place of its socket leads nowhere, and its output is no file of the VM", async () => {
  ide.start(container);
  await ide.ready(soon());
  await inside("cd /run/gitspaces/ide && mv ide.sock real.sock && ln -s real.sock ide.sock");
  await inside("cd /run/gitspaces/ide && rm output.log && ln -s /etc/passwd output.log");
  expect(readReceived(join(vm.inside.received, "output.log"))).toEqual([]);
  await expect(ide.dial()).rejects.toMatchObject({ failure: { code: "vm_unreachable" } });
});

test("nobody inside can change what they see of the VM, not even root", async () => {
  const script = `for f in ${INSIDE.node} ${INSIDE.command} ${INSIDE.scripts}/x ${INSIDE.ide}/x ${INSIDE.run}/x; do
    touch $f 2>/dev/null && echo "$f"; done; mount -o remount,rw ${INSIDE.run} 2>/dev/null && echo remounted; rmdir ${INSIDE.own} 2>/dev/null && echo gone; true`;
  expect(await inside(script, "root")).toEqual([]);
});

test("extensions that cannot be had are told one by one, and one that is left out is not asked for", async () => {
  notes.length = 0;
  ide.start(container);
  await ide.ready(soon());
  await expect.poll(() => notes.length, { timeout: 10_000 }).toBe(2);
  expect(notes[0]).toMatch(/^The extension here\.one was not installed: /);
  expect(notes[1]).toMatch(/^The extension \/home\/node\/two\.vsix was not installed: /);
});
