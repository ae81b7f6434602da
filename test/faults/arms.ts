// What a test arms in a house: failpoints of its daemons, in one folder, and of the agents, in a folder of each VM.
import { chmodSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

export type Arms = ReturnType<typeof openArms>;

/** The arms in a data folder. Files of an agent keep a second name here, which stays when the VM goes. */
export function openArms(data: string) {
  const common = join(data, "failpoints");
  const ofAgents = join(common, "agents");
  mkdirSync(ofAgents, { recursive: true });
  const keptOf = (vm: string) => join(ofAgents, basename(vm));
  const texts = (name: string) =>
    [join(common, name), ...readdirSync(ofAgents).map((vm) => join(ofAgents, vm, name))].flatMap((file) =>
      existsSync(file) ? [readFileSync(file, "utf8")] : [],
    );

  function give(vm: string, name: string, text: string): void {
    const folder = join(vm, "state", "failpoints");
    const kept = keptOf(vm);
    for (const each of [folder, kept]) mkdirSync(each, { recursive: true });
    for (const each of [folder, kept]) rmSync(join(each, name), { force: true });
    writeFileSync(join(kept, name), text);
    // The agent has a user of its own, who notes in it what was passed.
    chmodSync(join(kept, name), 0o666);
    linkSync(join(kept, name), join(folder, name));
  }

  return {
    folder: common,
    /** Arms a failpoint once: in the daemons, or in the agent of every VM there is. */
    arm(name: string, action: "kill" | "stop" | "error" = "kill"): void {
      if (!name.startsWith("agent.")) return writeFileSync(join(common, name), action);
      for (const vm of vmFolders(data)) give(vm, name, action);
    },
    disarm(name: string): void {
      for (const folder of [common, ...vmFolders(data).map((vm) => join(vm, "state", "failpoints"))])
        rmSync(join(folder, name), { force: true });
      for (const vm of readdirSync(ofAgents)) rmSync(join(ofAgents, vm, name), { force: true });
    },
    hasPassed: (name: string): boolean => texts(name).includes("passed"),
    /** From now on the names of all failpoints that are passed are noted, by the agents of all VMs there are. */
    trace(): void {
      if (!existsSync(join(common, "trace"))) writeFileSync(join(common, "trace"), "");
      for (const vm of vmFolders(data)) if (!existsSync(join(keptOf(vm), "trace"))) give(vm, "trace", "");
    },
    /** The names noted so far, each once. */
    traced: (): Set<string> => new Set(texts("trace").flatMap((text) => text.split("\n").filter(Boolean))),
    /** Forgets what was noted so far. */
    clearTrace(): void {
      for (const file of [join(common, "trace"), ...readdirSync(ofAgents).map((vm) => join(ofAgents, vm, "trace"))])
        if (existsSync(file)) writeFileSync(file, "");
    },
  };
}

/** The folder of each VM there is. */
function vmFolders(data: string): string[] {
  const root = join(data, "vms");
  if (!existsSync(root)) return [];
  const entries = readdirSync(root, { withFileTypes: true });
  return entries.flatMap((each) => (each.isDirectory() && !each.name.startsWith(".") ? [join(root, each.name)] : []));
}
