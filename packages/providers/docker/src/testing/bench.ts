// A place to try the docker provider in: an installation of its own in a real engine, and a small image with a stand-in agent.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { PoolSpec } from "@gitspaces/contracts";
import { z } from "zod";
import type { ProviderVm } from "../../../src/provider.ts";
import type { ProviderUnderTest } from "../../../src/testing/conformance.ts";
import { ask } from "../../../process/src/testing/bench.ts";
import { type Engine, engineAt, filters } from "../engine.ts";
import { type DockerProviderOptions, dockerProvider } from "../index.ts";
import { type Names, mark, namesOf } from "../names.ts";
import { removeContainer } from "../removal.ts";
import { TEST_IMAGE, buildTestImage } from "./test-image.ts";

export { TEST_IMAGE };

export type Bench = ProviderUnderTest & {
  options: DockerProviderOptions;
  engine: Engine;
  names: Names;
  pool: PoolSpec;
};

export const testPool: PoolSpec = {
  name: "default",
  type: "docker",
  warm: 0,
  max: 10,
  image: TEST_IMAGE,
  isDefault: true,
  machine: { cpus: 1, memoryMb: 256, pids: 128 },
};

const usual = ["/var/run/docker.sock", "/run/gitspaces-test-engine/docker.sock"];

/** The socket of the engine that tests use. @throws when there is none, with the sentence how to get one. */
export function testEngineSocket(): string {
  const named = /^unix:\/\/(\/.+)$/.exec(process.env["DOCKER_HOST"] ?? "")?.[1];
  const path = [...(named === undefined ? [] : [named]), ...usual].find((each) => existsSync(each));
  if (path !== undefined) return path;
  throw new Error(
    "There is no Docker engine for tests: set DOCKER_HOST=unix://SOCKET, or run bin/test, which starts one.",
  );
}

export async function openBench(): Promise<Bench> {
  const engine = engineAt(testEngineSocket());
  const installation = `test-${randomBytes(4).toString("hex")}`;
  const names = namesOf(installation);
  const options: DockerProviderOptions = {
    socketPath: engine.socketPath,
    installation,
    log: { info: () => {}, warn: () => {} },
  };
  await using opened = new AsyncDisposableStack();
  opened.defer(() => removeAll(engine, names));
  await buildTestImage(engine, AbortSignal.timeout(30_000));
  const provider = opened.use(await dockerProvider(options));
  const kept = opened.move();
  return {
    options,
    engine,
    names,
    pool: testPool,
    provider,
    reopen: async () => kept.use(await dockerProvider(options)),
    writeHome: async (vm, path, text) => void (await ask(vm, "write", { path, text })),
    readHome: async (vm, path) => ((await ask(vm, "read", { path })) as string | null) ?? undefined,
    reach,
    close: () => kept.disposeAsync(),
  };
}

const REACH_MS = 4_000;

/** Resolves once something accepts connections where the VM's agent listens; then has it say hello. */
async function reach(vm: ProviderVm): Promise<void> {
  const within = AbortSignal.timeout(REACH_MS);
  while (!(await accepts(vm))) {
    within.throwIfAborted();
    await sleep(20);
  }
  await ask(vm, "hello");
}

function accepts({ address, port }: ProviderVm): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address ?? "", port, timeout: 300 });
    const end = (outcome: boolean) => {
      socket.destroy();
      resolve(outcome);
    };
    socket
      .on("connect", () => end(true))
      .on("error", () => end(false))
      .on("timeout", () => end(false));
  });
}

const Things = z.array(z.looseObject({ Id: z.string() }));
const Volumes = z.looseObject({ Volumes: z.array(z.looseObject({ Name: z.string() })).nullish() });

/** Everything that an installation has in the engine. */
export async function removeAll(engine: Engine, names: Names): Promise<void> {
  const signal = AbortSignal.timeout(40_000);
  const query = { all: true, ...filters({ label: [`${mark.installation}=${names.installation}`] }) };
  for (const { Id } of await engine.ask(Things, "GET", "/containers/json", { query, signal })) {
    await removeContainer(engine, Id, signal);
  }
  for (const name of await volumesOf(engine, names)) {
    await engine.tellUnless([404], "DELETE", `/volumes/${name}`, { query: { force: true }, signal });
  }
  for (const { Id } of await engine.ask(Things, "GET", "/networks", { query, signal })) {
    await engine.tellUnless([404], "DELETE", `/networks/${Id}`, { signal });
  }
}

/** The names of an installation's volumes. */
export async function volumesOf(engine: Engine, names: Names): Promise<string[]> {
  const query = filters({ label: [`${mark.installation}=${names.installation}`] });
  const found = await engine.ask(Volumes, "GET", "/volumes", { query, signal: AbortSignal.timeout(20_000) });
  return (found.Volumes ?? []).map(({ Name }) => Name).toSorted();
}
