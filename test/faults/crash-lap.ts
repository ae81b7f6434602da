// One life of a Gitspace with a kill in each of its actions, judged after each: settled, nothing lost, nothing left over.
import { type Act, acts, type Cell, type Lap } from "./crash-plan.ts";
import { type House, until } from "./house.ts";
import type { Keepsake } from "./keepsake.ts";
import { type Outcome, person } from "./life.ts";
import { look, type Scene } from "./scene.ts";
import { under } from "./strike.ts";
import { type Expected, violations } from "./verdict.ts";

/** `unreached`: the action went another way this time and never passed the failpoint, or nobody died of it. */
export type Verdict = Cell & {
  verdict: "held" | "broken" | "unreached";
  found: string[];
  outcome: string;
  settledMs: number;
};

/** Where lives are lived. */
export type Site = { house: House; url: string; keepsake: Keepsake };

const SETTLE_MS = 45_000;
const WARM = 1;

/** Waits until nothing is wrong any more. Gives what still is after the time. */
export async function settle(
  house: House,
  expected: Expected,
  withinMs = SETTLE_MS,
): Promise<{ scene: Scene; found: string[] }> {
  let scene: Scene | undefined;
  let found = ["nothing could be looked at"];
  await until("everything has settled", withinMs, async () => {
    scene = await look(house);
    found = violations(scene, expected, WARM);
    // Nothing is deleted here for later, so a home that outlives its Gitspace is one too many.
    const left = scene.homes.filter((home) => !expected.has(home.id));
    if (left.length > 0) found.push(`I3: homes of nobody are left: ${left.map((home) => home.id).join(", ")}`);
    return found.length === 0;
  }).catch(() => undefined);
  if (scene === undefined) throw new Error("the house could not be looked at");
  return { scene, found };
}

/**
 * Lives one life and gives a verdict for each of its kills, as soon as it is known. A broken one ends it: gives whether the house
 * is as it was found.
 */
export async function live(
  { house, url, keepsake }: Site,
  lap: Lap,
  tell: (verdict: Verdict) => void,
): Promise<boolean> {
  const someone = person(house);
  let id = "";
  let vm = "";

  async function judge(
    name: Act,
    cell: Cell | undefined,
  ): Promise<{ outcome: Outcome; found: string[]; wasReached: boolean }> {
    const reached = await under(house, cell, async () => {
      if (id === "") id = await someone.create(url);
      await someone.ask(id, name);
    });
    let outcome = await someone.outcome(id);
    let { scene, found } = await settle(house, new Map([[id, outcome.state]]));
    const settledAt = performance.now();
    const struckAt = await reached();
    // Who was killed only after that has left something only after that.
    if (cell !== undefined && struckAt !== undefined && struckAt > settledAt && found.length === 0) {
      outcome = await someone.outcome(id);
      ({ scene, found } = await settle(house, new Map([[id, outcome.state]])));
    }
    found.unshift(...judgeOutcome(name, outcome, cell !== undefined));
    if (outcome.state === "running" && found.length === 0) {
      vm = scene.vms.find(({ gitspace }) => gitspace === id)?.id ?? "";
      if (!(await someone.opens(id))) found.push(`I5: ${id} is running and its workbench does not open`);
      if (name === "start") keepsake.leave(id, vm);
      if (name === "restart") found.push(...keepsake.complaints(id, vm));
    }
    return { outcome, found, wasReached: struckAt !== undefined };
  }

  async function act(name: Act, cell: Cell | undefined, under_: Cell | undefined): Promise<boolean> {
    const begunAt = performance.now();
    const { outcome, found, wasReached } = await judge(name, cell).catch((error: unknown) => ({
      outcome: { state: "error" as const, reason: "" },
      found: [(error as Error).message],
      wasReached: true,
    }));
    const settledMs = Math.round(performance.now() - begunAt);
    if (cell !== undefined) house.disarm(cell.point);
    const blamed = cell ?? (found.length > 0 ? under_ : undefined);
    if (blamed !== undefined) {
      const verdict = found.length > 0 ? "broken" : wasReached ? "held" : "unreached";
      const before = cell === undefined ? [`${name} after it:`] : [];
      tell({
        ...blamed,
        verdict,
        found: [...before, ...found],
        outcome: `${outcome.state} ${outcome.reason}`.trim(),
        settledMs,
      });
    } else if (found.length > 0) throw new Error(`${name} of ${id}, without a fault: ${found.join("; ")}`);
    if (found.length > 0) return false;
    // Whatever happened, a new start works.
    if (name.endsWith("start") && outcome.state === "error") return await act(name, undefined, cell);
    return true;
  }

  const last = acts.findLastIndex((name) => name !== "delete" && lap[name] !== undefined);
  const way: Act[] = [...acts.slice(0, Math.max(last, 0) + 1).filter((name) => name !== "delete"), "delete"];
  let before: Cell | undefined;
  for (const name of way) {
    if (!(await act(name, lap[name], before))) return false;
    before = lap[name] ?? before;
  }
  return true;
}

/** An action that nobody disturbs succeeds, so also the start after one that failed; one that is disturbed may say why it failed. */
function judgeOutcome(name: Act, { state, reason }: Outcome, wasDisturbed: boolean): string[] {
  const wanted = { start: "running", restart: "running", stop: "stopped", delete: "gone" } as const;
  if (state === wanted[name]) return [];
  if (state !== "error" || name === "delete") return [`I8: ${name} ended ${state}`];
  if (reason === "") return [`I8: ${name} ended in error without a reason`];
  return wasDisturbed ? [] : [`I8: ${name} ended in error although nobody disturbed it: ${reason}`];
}
