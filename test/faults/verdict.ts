// The verdict on a scene: which invariants it breaks, once faults have stopped and everything has had time to settle. Pure.
import type { Scene } from "./scene.ts";

/** What a person sees of each Gitspace; `gone` after a delete. */
export type Expected = ReadonlyMap<string, "running" | "stopped" | "error" | "gone">;

/** What is wrong, in words that begin with the invariant; empty when nothing is. `warm`: VMs that should stand ready. */
export function violations(scene: Scene, expected: Expected, warm: number): string[] {
  const found: string[] = [];
  const claim = (holds: boolean, words: string) => void (holds || found.push(words));
  const ids = scene.vms.map(({ id }) => id);

  for (const [gitspace, state] of expected) {
    const vms = scene.vms.filter((vm) => vm.gitspace === gitspace);
    const routes = scene.routes.filter((route) => route.gitspace === gitspace);
    const claims = scene.claims.filter((each) => each.gitspace === gitspace);
    const homes = scene.homes.filter(({ id }) => id === gitspace);
    const needed = state === "running" ? 1 : 0;
    claim(
      vms.length === needed,
      `I3: ${gitspace} is ${state} and has ${vms.length} VMs (${vms.map(({ id }) => id).join(", ")})`,
    );
    claim(routes.length === needed, `I5: ${gitspace} is ${state} and has ${routes.length} routes`);
    claim(claims.length === needed, `I6: ${gitspace} is ${state} and has ${claims.length} claims`);
    if (state === "running") {
      claim(vms[0]?.power === "running", `I3: the VM of ${gitspace} is ${vms[0]?.power}`);
      claim(routes[0]?.vm === vms[0]?.id, `I5: the route of ${gitspace} leads to ${routes[0]?.vm}`);
      claim(claims[0]?.vm === vms[0]?.id, `I6: the claim of ${gitspace} is on ${claims[0]?.vm}`);
      claim(homes[0]?.attachedTo === vms[0]?.id, `I3: the home of ${gitspace} is in ${homes[0]?.attachedTo}`);
    } else {
      claim(
        homes.every(({ attachedTo }) => attachedTo === null),
        `I3: the home of ${gitspace} is still in a VM`,
      );
    }
    if (state === "gone") claim(homes.length === 0, `I3: the home of ${gitspace} is left`);
  }

  const strangers = scene.vms.filter((vm) => vm.gitspace !== null && !expected.has(vm.gitspace));
  claim(strangers.length === 0, `I3: VMs of nobody are left: ${strangers.map(({ id }) => id).join(", ")}`);
  for (const [what, all] of [
    ["routes", scene.routes],
    ["claims", scene.claims],
  ] as const) {
    const left = all.filter(({ gitspace }) => !expected.has(gitspace));
    claim(left.length === 0, `I3: ${what} of nobody are left: ${left.map(({ gitspace }) => gitspace).join(", ")}`);
  }
  const stock = scene.vms.filter((vm) => vm.gitspace === null);
  claim(stock.length === warm, `I4: ${stock.length} VMs stand ready or are left half made, not ${warm}`);
  claim(
    same(
      scene.warm,
      stock.map(({ id }) => id),
    ),
    `I1: the pool offers ${scene.warm.join(", ")}, the stock is ${stock.map(({ id }) => id).join(", ")}`,
  );
  claim(same(scene.records, ids), `I3: on record are ${scene.records.join(", ")}, there are ${ids.join(", ")}`);
  claim(same(scene.slots, ids), `I4: slots are taken by ${scene.slots.join(", ")}, there are ${ids.join(", ")}`);
  claim(scene.halfRemoved.length === 0, `I3: the folders of ${scene.halfRemoved.join(", ")} are only half removed`);
  claim(scene.strays.length === 0, `I3: of nobody are left: ${scene.strays.join(", ")}`);
  const places = scene.vms.flatMap(({ slot }) => slot ?? []);
  claim(
    same(scene.namespaces, places),
    `I3: namespaces of slots ${scene.namespaces.join(", ")}, VMs in ${places.join(", ")}`,
  );
  claim(
    same(scene.interfaces, places),
    `I3: interfaces of slots ${scene.interfaces.join(", ")}, VMs in ${places.join(", ")}`,
  );
  claim(
    same(scene.processes, places),
    `I3: processes in slots ${scene.processes.join(", ")}, VMs in ${places.join(", ")}`,
  );

  claim(scene.jobs === 0, `I8: ${scene.jobs} jobs are left in the queue`);
  for (const task of scene.tasks) {
    claim(task.state === "answered", `I8: the task ${task.type} of ${task.gitspace} is ${task.state}`);
    claim(task.late === 0, `I2: the task ${task.type} of ${task.gitspace} had ${task.late + 1} different answers`);
  }
  return found;
}

function same<T extends string | number>(one: readonly T[], other: readonly T[]): boolean {
  const ordered = (items: readonly T[]) => items.map(String).toSorted((a, b) => a.localeCompare(b));
  return JSON.stringify(ordered(one)) === JSON.stringify(ordered(other));
}
