// Whether the prepared image fits what is wanted; and the marks by which the reference implementation knows which hooks have run.
import { failpoint } from "@gitspaces/daemon";
import type { Facts } from "./container-facts.ts";
import type { Engine } from "./engine.ts";
import type { Merged } from "./merged-configuration.ts";
import type { Plan } from "./preparation.ts";
import type { PreparedRecord } from "./prepared-record.ts";
import type { RaisedRecord } from "./raised-record.ts";

/** `head`: the commit at which the person's clone stands. */
export type Offer = { record: PreparedRecord; head: string | undefined };
/** A plan that begins with the prepared image, and the hooks that ran in it already. */
export type Use = { plan: Plan; home: string; done: (keyof typeof hookLists)[] };

const hookLists = { onCreateCommand: "onCreateCommands", updateContentCommand: "updateContentCommands" } as const;

/** The use to make of it, or why none is made. `raised`: what the home disk's last container was made from, if there was one. Pure. */
export function usePrepared(
  { record, head }: Offer,
  plan: Plan,
  raised: RaisedRecord | undefined,
): Use | { why: string } {
  const { image, fingerprint, inputs, commit, taken } = record;
  if ("none" in image) return { why: image.none };
  const differing = Object.keys({ ...inputs, ...plan.inputs }).filter((name) => inputs[name] !== plan.inputs[name]);
  if (fingerprint !== plan.fingerprint)
    return { why: `${differing.length === 0 ? "the configuration" : differing.join(" and ")} differs` };
  const isNewer = head !== commit;
  if (plan.copiesFiles && isNewer) return { why: "the files that the Dockerfile copies may differ" };
  // What hooks of creation leave in the clone and in the home has to be there too.
  const isComplete = raised === undefined ? taken : raised.recovery === null && raised.fingerprint === plan.fingerprint;
  if (!isComplete) return { why: "the home disk holds a clone or a home of its own" };
  const { build: _build, dockerFile: _file, context: _context, features: _features, ...rest } = plan.configuration;
  return {
    plan: { ...plan, configuration: { ...rest, image: image.name } },
    home: image.home,
    done: taken && !isNewer ? ["onCreateCommand", "updateContentCommand"] : ["onCreateCommand"],
  };
}

/** The reference implementation compares each mark with the time at which the container was made. */
const MARK = `mkdir -p "$HOME/.devcontainer" || exit
at=$1
shift
for hook in "$@"; do printf '%s\\n' "$at" >"$HOME/.devcontainer/.\${hook}Marker" || exit; done`;

/** Marks hooks as done in a container; gives the configuration without them. @throws {FailureError} `internal` */
export async function markDone(
  engine: Engine,
  { id, user, merged, done }: { id: string; user: Facts["user"]; merged: Merged; done: Use["done"] },
  signal: AbortSignal,
): Promise<Merged> {
  const created = (await engine.ask(["inspect", "--format", "{{.Created}}", id], signal)).trim();
  await engine.ask(["exec", "--user", user.name, id, "/bin/sh", "-c", MARK, "sh", created, ...done], signal);
  failpoint("agent.afterPreparedUsed");
  return { ...merged, ...Object.fromEntries(done.map((hook) => [hookLists[hook], []])) };
}
