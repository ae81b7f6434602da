// One life of a Gitspace with a kill in each of its actions, judged after each: settled, nothing lost, nothing left over.
import { setTimeout as sleep } from "node:timers/promises";
import { type Act, acts, type Cell, type Lap, ownerOf } from "./crash-plan.ts";
import { type House, until } from "./house.ts";
import { type Outcome, person } from "./life.ts";
import { look, type Scene } from "./scene.ts";
import { type Expected, violations } from "./verdict.ts";

/** `unreached`: the action went another way this time and never passed the failpoint. */
export type Verdict = Cell & {
  verdict: "held" | "broken" | "unreached";
  found: string[];
  outcome: string;
  settledMs: number;
};

const REACH_MS = 3_000;
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
    return found.length === 0;
  }).catch(() => undefined);
  if (scene === undefined) throw new Error("the house could not be looked at");
  return { scene, found };
}

/** Lives one life and gives a verdict for each of its kills. The house is left as it was found. */
export async function live(house: House, url: string, lap: Lap): Promise<Verdict[]> {
  const someone = person(house);
  const verdicts: Verdict[] = [];
  let id = "";
  let vm = "";

  async function expectRunning(): Promise<string[]> {
    const { scene, found } = await settle(house, new Map([[id, "running"]]));
    vm = scene.vms.find(({ gitspace }) => gitspace === id)?.id ?? "";
    if (found.length === 0 && !(await someone.opens(id)))
      found.push(`I5: ${id} is running and its workbench does not open`);
    return found;
  }

  async function act(name: Act, cell: Cell | undefined): Promise<void> {
    const begunAt = performance.now();
    const wasReached = await under(house, cell, async () => {
      if (id === "") id = await someone.create(url);
      await someone.ask(id, name);
    });
    const outcome = await someone.outcome(id);
    const found = judgeOutcome(name, outcome);
    found.push(
      ...(outcome.state === "running"
        ? await expectRunning()
        : (await settle(house, new Map([[id, outcome.state]]))).found),
    );
    const settledMs = Math.round(performance.now() - begunAt);
    if (cell !== undefined) {
      const verdict = found.length > 0 ? "broken" : (await wasReached()) ? "held" : "unreached";
      verdicts.push({ ...cell, verdict, found, outcome: `${outcome.state} ${outcome.reason}`.trim(), settledMs });
      house.disarm(cell.point);
    } else if (found.length > 0) throw new Error(`${name} of ${id}, without a fault: ${found.join("; ")}`);
    // Whatever happened, a new start works.
    if ((name === "start" || name === "restart") && outcome.state === "error") await act(name, undefined);
  }

  const last = acts.findLastIndex((name) => name !== "delete" && lap[name] !== undefined);
  for (const name of acts.slice(0, Math.max(last, 0) + 1)) {
    await act(name, lap[name]);
    if (name === "start") someone.home(vm).write(`kept by ${id}`);
    if (name === "restart" && someone.home(vm).read() !== `kept by ${id}`)
      throw new Error(`I3: the home of ${id} is not what it was`);
  }
  await act("delete", lap.delete);
  return verdicts;
}

/** Does an action while a process is killed at a failpoint. Gives a question: was the failpoint reached? */
async function under(house: House, cell: Cell | undefined, doIt: () => Promise<void>): Promise<() => Promise<boolean>> {
  if (cell === undefined) {
    await doIt();
    return async () => true;
  }
  const { point, victim } = cell;
  const owner = ownerOf(point);
  house.arm(point, victim === owner ? "kill" : "stop");
  const reached = until(`${point} is passed`, 60_000, () => house.hasPassed(point)).then(
    () => {
      if (victim !== owner) {
        house.signal(victim, "SIGKILL");
        house.signal(owner, "SIGCONT");
      }
      return true;
    },
    () => false,
  );
  await doIt();
  return async () => await Promise.race([reached, sleep(REACH_MS, false)]);
}

function judgeOutcome(name: Act, { state, reason }: Outcome): string[] {
  const wanted: Record<Act, Outcome["state"][]> = {
    start: ["running", "error"],
    restart: ["running", "error"],
    stop: ["stopped", "error"],
    delete: ["gone"],
  };
  if (!wanted[name].includes(state)) return [`I8: ${name} ended ${state}`];
  return state === "error" && reason === "" ? [`I8: ${name} ended in error without a reason`] : [];
}
