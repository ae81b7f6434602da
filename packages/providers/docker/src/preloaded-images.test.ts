import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { ask } from "../../process/src/testing/bench.ts";
import { call, requestFor } from "../../src/testing/conformance.ts";
import { archiveOf } from "./archive.ts";
import { dockerProvider } from "./index.ts";
import { tarName } from "./preloaded-images.ts";
import { openBench, testPool } from "./testing/bench.ts";

const soon = () => AbortSignal.timeout(20_000);

test("a VM finds its pool's images as archives that it cannot change; a newer image replaces its archive", {
  timeout: 60_000,
}, async () => {
  const bench = await openBench();
  onTestFinished(() => bench.close());
  const { engine, options } = bench;
  const told: unknown[] = [];
  const log = {
    info: (...said: unknown[]) => void told.push(said),
    warn: (...said: unknown[]) => void told.push(said),
  };
  const provider = await dockerProvider({ ...options, log });
  onTestFinished(() => provider[Symbol.asyncDispose]());
  const name = `gitspaces-provider-test/preloaded-${randomBytes(4).toString("hex")}:one`;
  const put = async (text: string) => {
    const archive = archiveOf([{ path: "content", mode: 0o644, text }]);
    const [repo, tag] = name.split(":") as [string, string];
    await engine.tell("POST", "/images/create", { query: { fromSrc: "-", repo, tag }, archive, signal: soon() });
  };
  await put("first");
  onTestFinished(async () => {
    await engine.tellUnless([404], "DELETE", `/images/${name}`, { query: { force: true }, signal: soon() });
  });
  const absent = "gitspaces-provider-test/absent:one";
  const pool = { ...testPool, preload: { images: [name, absent] } };
  const seenIn = async () => {
    const vm = await provider.create(requestFor(pool), call());
    await bench.reach(vm);
    const at = `/var/lib/gitspaces/images/${tarName(name)}.tar`;
    const command = `ls /var/lib/gitspaces/images; tar -xOf ${at} manifest.json; tar -tf ${at} | grep -c layer; echo x >${at}`;
    const { stdout, stderr } = (await ask(vm, "run", { command })) as { stdout: string; stderr: string };
    await provider.remove(vm.id, call());
    return { stdout, stderr };
  };

  const { stdout, stderr } = await seenIn();
  expect(stdout.split("\n").slice(0, 2)).toEqual([`${tarName(name)}.id`, `${tarName(name)}.tar`]);
  expect(stdout).toContain(`"RepoTags":["${name}"]`);
  expect(stderr).toContain("Read-only file system");
  await seenIn();
  const lines = told.map((said) => JSON.stringify(said)).filter((line) => line.includes("image"));
  expect(lines.filter((line) => line.includes("image laid out") && line.includes(name))).toHaveLength(1);
  expect(lines.filter((line) => line.includes("will fetch it themselves") && line.includes(absent))).toHaveLength(1);

  await put("second");
  const later = await seenIn();
  expect(later.stdout).toContain(`"RepoTags":["${name}"]`);
  expect(later.stdout).not.toBe(stdout);
});
