// The lifecycle hooks of a dev container, run by the reference implementation as the remote user. One that fails is told of, and the
// start goes on with the next: as with hooks in place.
import { failpoint } from "@gitspaces/daemon";
import { run } from "../command.ts";
import type { Work } from "../work.ts";
import { CliListener } from "./cli-listener.ts";
import { devcontainer, type Outcome } from "./cli.ts";
import type { Container } from "./container.ts";
import { type EngineAccess, execArgs } from "./in-container.ts";
import { hooksOf, type Merged } from "./merged-configuration.ts";

type Running = { args: readonly string[]; env: Record<string, string>; merged: Merged };

/** Runs what is due: hooks of creation when the container is new, `postStartCommand` after each of its starts. Gives a sentence for each that failed. */
export async function runLifecycle(work: Work, { args, env, merged }: Running): Promise<string[]> {
  const hooks = hooksOf(merged);
  if (hooks.length === 0) return [];
  const failed: string[] = [];
  // The reference implementation ends at the first that fails, and goes on behind it when it is called again.
  for (let turn = 0; turn <= hooks.length; turn++) {
    const listener = new CliListener(work);
    const outcome = await devcontainer({
      args: ["run-user-commands", ...args, "--skip-post-attach"],
      env,
      signal: work.signal,
      onLine: listener.line,
    });
    failpoint("agent.afterLifecycle");
    if (outcome.outcome === "success") break;
    const { sentence, hook } = complaintOf(outcome, listener);
    if (failed.some((each) => each === sentence)) break;
    failed.push(sentence);
    work.emit("note", sentence, hook === undefined ? {} : { hook });
    if (hook === undefined) break;
  }
  if (failed.length === 0) work.emit("agent_hooks_completed", `Done: ${hooks.join(", ")}`);
  else work.emit("agent_hooks_failed", failed.join(" "));
  return failed;
}

function complaintOf(outcome: Outcome, listener: CliListener): { sentence: string; hook: string | undefined } {
  const words = JSON.stringify([outcome["description"], outcome["message"]]);
  const hook = /\b(\w+Command)\b/.exec(words)?.[1];
  const last = listener.lastLines();
  const code = /failed with exit code (\d+)/.exec(last)?.[1];
  const said = last.replaceAll(/[^|]*failed with exit code \d+\. Skipping[^|]*/g, "").replace(/[ |]+$/, "");
  const how = code === undefined ? "failed" : `ended with code ${code}`;
  const sentence = `${hook ?? "A hook"} ${how}${said === "" ? "." : `; it said last: ${said}`}`;
  return { sentence, hook };
}

type Attach = { label: string; args: string[] };

/** `postAttachCommand` in its parts: each runs by itself and may go on for ever, as servers do that are started there. Pure. */
export function attachParts(commands: readonly unknown[]): Attach[] {
  return commands.flatMap((command): Attach[] => {
    if (typeof command === "string") return command === "" ? [] : [{ label: "", args: ["/bin/sh", "-c", command] }];
    if (Array.isArray(command)) return command.length === 0 ? [] : [{ label: "", args: command.map(String) }];
    if (typeof command !== "object" || command === null) return [];
    return Object.entries(command).flatMap(([label, one]) =>
      attachParts([one]).map(({ args }) => ({ label: label.replaceAll(/[^\w.-]/g, "-"), args })),
    );
  });
}

/** Starts `postAttachCommand` and does not wait for it; its output goes to a file in the person's home. */
export async function startAttach(
  work: Work,
  engine: EngineAccess,
  container: Container,
  merged: Merged,
): Promise<string[]> {
  const failed: string[] = [];
  for (const { label, args } of attachParts(merged.postAttachCommands)) {
    const name = `postAttachCommand${label === "" ? "" : `.${label}`}`;
    const script = `mkdir -p "$HOME/.devcontainer" && exec "$@" >"$HOME/.devcontainer/${name}.log" 2>&1 </dev/null`;
    const inside = { args: ["/bin/sh", "-c", script, "sh", ...args] };
    const { env, ...exec } = execArgs(container, inside, ["--detach"]);
    const command = { program: "docker", cwd: "/", env: { ...env, ...engine.env }, signal: work.signal, ...exec };
    const { code, output } = await run(command);
    failpoint("agent.afterAttach");
    if (code === 0) work.emit("note", `${name} runs; its output is in ~/.devcontainer/${name}.log`, { hook: name });
    else failed.push(`${name} could not be started: ${output.slice(-2).join(" | ")}`);
  }
  return failed;
}
