// Lifecycle hooks of a repository, run in place. A hook that fails is told of and does not stop a start.
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { failpoint } from "@gitspaces/daemon";
import { z } from "zod";
import type { ChildEnvironment } from "./child-environment.ts";
import { run } from "./command.ts";
import type { HookCommand } from "./devcontainer.ts";
import { type DevcontainerPlan, type HookName, hookNames } from "./devcontainer-plan.ts";
import { writeDurably } from "./durable-file.ts";
import { OWN_FOLDER } from "./home-disk.ts";
import type { Work } from "./work.ts";

type HookRun = { plan: DevcontainerPlan; folder: string; home: string; env: ChildEnvironment };

/** Runs the hooks that are due: those of creation once in the life of the home disk, `postStartCommand` every time. Gives a sentence for each that failed. */
export async function runHooks(work: Work, { plan, folder, home, env }: HookRun): Promise<string[]> {
  const marker = join(home, OWN_FOLDER, "hooks", `${basename(folder)}.json`);
  const done = readDone(marker);
  const due = plan.hooks.filter(({ name }) => !done.has(name));
  if (due.length === 0) return [];
  work.emit("agent_devcontainer_start", `Running ${due.map(({ name }) => name).join(", ")}`);
  const failed: string[] = [];
  for (const { name, command } of due) {
    const complaint = await runHook(work, name, command, folder, env);
    failpoint("agent.afterHook");
    if (complaint !== undefined) {
      failed.push(complaint);
      work.emit("note", complaint, { hook: name });
    }
    if (name !== "postStartCommand") writeDurably(marker, JSON.stringify([...done.add(name)]));
    failpoint("agent.afterHookNoted");
  }
  if (failed.length === 0) work.emit("agent_devcontainer_completed", "Every hook ended well");
  else work.emit("agent_devcontainer_failed", failed.join(" "));
  return failed;
}

/** The hooks of creation that have run, well or not, in the life of this home disk. */
function readDone(marker: string): Set<HookName> {
  try {
    return new Set(z.array(z.enum(hookNames)).parse(JSON.parse(readFileSync(marker, "utf8"))));
  } catch {
    return new Set();
  }
}

type Part = { label: string; program: string; args: string[] };

/** A text is for `sh -c`, as the specification has it; a list is a program with its arguments; an object runs all at once. */
export function partsOf(name: string, command: HookCommand): Part[] {
  if (typeof command === "string") return [{ label: name, program: "/bin/sh", args: ["-c", command] }];
  if (Array.isArray(command)) return [{ label: name, program: command[0] ?? "", args: command.slice(1) }];
  return Object.entries(command).flatMap(([key, one]) => partsOf(`${name}.${key}`, one));
}

async function runHook(
  work: Work,
  name: HookName,
  command: HookCommand,
  cwd: string,
  env: ChildEnvironment,
): Promise<string | undefined> {
  const parts = partsOf(name, command);
  const complaints = await Promise.all(
    parts.map(async ({ label, program, args }) => {
      work.emit("log", `> ${label}`);
      const prefix = parts.length > 1 ? `[${label}] ` : "";
      const onLine = (line: string) => work.emit("log", `${prefix}${line}`);
      try {
        const { code } = await run({ program, args, cwd, env, signal: work.signal, onLine });
        return code === 0 ? [] : [`${label} ended with ${code === null ? "a signal" : `code ${code}`}.`];
      } catch (error) {
        work.signal.throwIfAborted();
        return [`${label} could not be run: ${(error as Error).message}.`];
      }
    }),
  );
  return complaints.flat().length === 0 ? undefined : complaints.flat().join(" ");
}
