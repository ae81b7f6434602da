// The life of the VM's engine, by a stand-in for the command that starts one, and questions to a real engine.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog } from "@gitspaces/daemon";
import { expect, test } from "vitest";
import { openTestEngine } from "../testing/engine.ts";
import { Engine } from "./engine.ts";

const noHurry = () => AbortSignal.timeout(20_000);

/** A command that on `start` lets something answer on the socket, and on `stop` ends it; each call is written down. */
function standIn(script = ""): { engine: Engine; folder: string; calls: () => string[] } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), "engine-"));
  const command = join(folder, "engine");
  const server = `require("http").createServer((_, answer) => answer.end("OK")).listen(process.argv[1])`;
  writeFileSync(
    command,
    `#!/bin/sh
echo "$1" >>${folder}/calls
${script}
case $1 in
start) [ -e ${folder}/pid ] && grep -qs "^State:.[SR]" "/proc/$(cat ${folder}/pid)/status" && exit 0
  rm -f ${folder}/socket
  setsid ${process.execPath} -e '${server}' ${folder}/socket >/dev/null 2>&1 </dev/null &
  echo $! >${folder}/pid ;;
stop) kill "$(cat ${folder}/pid)"; rm -f ${folder}/pid ;;
esac
`,
  );
  chmodSync(command, 0o755);
  const engine = new Engine({
    command,
    host: `unix://${folder}/socket`,
    env: { PATH: process.env["PATH"] ?? "" },
    log: createLog("agent", "silent"),
    readyDeadlineMs: 3_000,
    logFile: join(folder, "log"),
  });
  return {
    engine,
    folder,
    calls: () => (existsSync(`${folder}/calls`) ? readFileSync(`${folder}/calls`, "utf8").trim().split("\n") : []),
    [Symbol.dispose]() {
      if (existsSync(`${folder}/pid`)) process.kill(Number(readFileSync(`${folder}/pid`, "utf8")));
      rmSync(folder, { recursive: true });
    },
  };
}

test("an engine is started once however often it is asked for, and is over when stop has ended", async () => {
  using vm = standIn();
  expect(await vm.engine.answers()).toBe(false);
  vm.engine.start();
  vm.engine.start();
  await vm.engine.ready(noHurry());
  expect(vm.calls()).toEqual(["start"]);
  await vm.engine.stop();
  expect(await vm.engine.answers()).toBe(false);
  expect(vm.calls()).toEqual(["start", "stop"]);
});

test("an engine that died is started again by whoever waits for it", async () => {
  using vm = standIn();
  await vm.engine.ready(noHurry());
  process.kill(Number(readFileSync(`${vm.folder}/pid`, "utf8")), "SIGKILL");
  await expect.poll(async () => await vm.engine.answers()).toBe(false);
  await vm.engine.ready(noHurry());
  expect(vm.calls()).toEqual(["start", "start"]);
});

test("an engine that never answers fails the wait with its last words and the cure", async () => {
  using vm = standIn(`echo "the store is damaged"; exit 3`);
  writeFileSync(join(vm.folder, "log"), "dockerd: starting\ndockerd: no space left for the store\n");
  const failed = await vm.engine.ready(noHurry()).catch((error: unknown) => error);
  expect(failed).toMatchObject({ failure: { code: "vm_unreachable", retry: "later" } });
  expect(String(failed)).toContain("the store is damaged | dockerd: starting | dockerd: no space left for the store");
  expect(String(failed)).toContain("start it again to get another VM");
});

test("a wait that is called off throws the reason, and does not go on starting", async () => {
  using vm = standIn("exit 0");
  const reason = new Error("called off");
  await expect(vm.engine.ready(AbortSignal.abort(reason))).rejects.toBe(reason);
  expect(vm.calls()).toEqual([]);
});

test("docker answers with its exit code and lines, and a question that it refuses fails with its words", async () => {
  const engine = await openTestEngine();
  const lines: string[] = [];
  const { code } = await engine.docker(["version", "--format", "{{.Server.Os}}"], {
    signal: noHurry(),
    onLine: (line) => lines.push(line),
  });
  expect({ code, lines }).toEqual({ code: 0, lines: ["linux"] });
  expect(await engine.ask(["version", "--format", "{{.Server.Os}}"], noHurry())).toBe("linux\n");
  await expect(engine.ask(["inspect", "no-such-thing-here"], noHurry())).rejects.toMatchObject({
    failure: { code: "internal", message: expect.stringContaining("no-such-thing-here") as string },
  });
});
