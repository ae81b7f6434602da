// What a test arms in a house: failpoints of its daemons, in one folder, and of the agents, in a folder of each VM.
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Ground, VmFolders } from "./ground.ts";

export type Arms = ReturnType<typeof openArms>;

/** A VM that comes later is given what is armed for agents within this time, in milliseconds: before its agent has begun to work. */
const LOOK_EVERY_MS = 50;
const MOST_BYTES = 1_000_000;
const TRACE = "trace";

/** The arms in a data folder. What is given to an agent is held open: it can be read after the VM is gone. */
export function openArms(data: string, ground: Ground) {
  const common = join(data, "failpoints");
  mkdirSync(common, { recursive: true });
  /** By VM and name of the file. */
  const held = new Map<string, number>();
  /** For the agents of VMs to come too. */
  const armed = new Map<string, string>();
  const watch = ground.kind === "docker" ? setInterval(giveNewcomers, LOOK_EVERY_MS).unref() : undefined;

  const textOf = (file: number) => {
    const bytes = Buffer.alloc(MOST_BYTES);
    return bytes.toString("utf8", 0, readSync(file, bytes, 0, MOST_BYTES, 0));
  };
  const heldTexts = (name: string) =>
    [...held].flatMap(([key, file]) => (key.endsWith(`/${name}`) ? [textOf(file)] : []));
  const texts = (name: string) =>
    existsSync(join(common, name)) ? [readFileSync(join(common, name), "utf8"), ...heldTexts(name)] : heldTexts(name);
  const hasPassed = (name: string) => texts(name).includes("passed");

  function letGo(key: string): void {
    const file = held.get(key);
    if (file !== undefined) closeSync(file);
    held.delete(key);
  }

  function give({ id, state }: VmFolders, name: string, text: string): void {
    const folder = join(state, "failpoints");
    const path = join(folder, name);
    // A VM that goes away in this moment needs nothing any more.
    try {
      mkdirSync(folder, { recursive: true });
      rmSync(path, { force: true });
      writeFileSync(`${path}.new`, text);
      // The agent may have a user of its own, who notes in it what was passed.
      chmodSync(`${path}.new`, 0o666);
      const file = openSync(`${path}.new`, "r+");
      renameSync(`${path}.new`, path);
      letGo(`${id}/${name}`);
      held.set(`${id}/${name}`, file);
    } catch (error) {
      if (existsSync(state)) throw error;
    }
  }

  function giveNewcomers(): void {
    for (const vm of armed.size > 0 ? ground.vms(data) : [])
      for (const [name, text] of armed)
        if (!held.has(`${vm.id}/${name}`) && !(name !== TRACE && hasPassed(name))) give(vm, name, text);
  }

  return {
    folder: common,
    /** Arms a failpoint once: in the daemons, or in the agent of every VM there is, and of those that come where they are watched. */
    arm(name: string, action: "kill" | "stop" | "error" = "kill"): void {
      if (!name.startsWith("agent.")) return writeFileSync(join(common, name), action);
      for (const key of held.keys()) if (key.endsWith(`/${name}`)) letGo(key);
      for (const vm of ground.vms(data)) give(vm, name, action);
      armed.set(name, action);
    },
    disarm(name: string): void {
      armed.delete(name);
      rmSync(join(common, name), { force: true });
      for (const { state } of ground.vms(data)) rmSync(join(state, "failpoints", name), { force: true });
      for (const key of held.keys()) if (key.endsWith(`/${name}`)) letGo(key);
    },
    hasPassed,
    /** From now on the names of all failpoints that are passed are noted. */
    trace(): void {
      if (!existsSync(join(common, TRACE))) writeFileSync(join(common, TRACE), "");
      for (const vm of ground.vms(data)) if (!held.has(`${vm.id}/${TRACE}`)) give(vm, TRACE, "");
      armed.set(TRACE, "");
    },
    /** The names noted so far, each once. */
    traced: (): Set<string> => new Set(texts(TRACE).flatMap((text) => text.split("\n").filter(Boolean))),
    /** Forgets what was noted so far. */
    clearTrace(): void {
      writeFileSync(join(common, TRACE), "");
      for (const [key, file] of held) if (key.endsWith(`/${TRACE}`)) ftruncateSync(file, 0);
    },
    [Symbol.dispose](): void {
      clearInterval(watch);
      for (const key of held.keys()) letGo(key);
    },
  };
}
