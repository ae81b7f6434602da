// Looks after what happens behind our back: a VM that started by itself gets its disks again, and what was left half done is done.
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Disks } from "./disks.ts";
import { type Engine, filters } from "./engine.ts";
import { type Names, mark } from "./names.ts";
import type { Tidying } from "./tidying.ts";
import type { Log } from "./vms.ts";

type Collaborators = { engine: Engine; names: Names; disks: Disks; tidying: Tidying; log: Log };

const Event = z.looseObject({ Actor: z.looseObject({ Attributes: z.record(z.string(), z.string()) }) });
const LOOK_EVERY_MS = 30_000;
const TIDY_EVERY_MS = 300_000;
const AGAIN_MS = 1_000;
const PLUG_MS = 30_000;

/** Looks until it is disposed of. The engine tells when a VM starts; a look now and then makes it sure. */
export function startLook({ engine, names, disks, tidying, log }: Collaborators): AsyncDisposable {
  const end = new AbortController();
  const { signal } = end;

  async function plugAll(vm: string): Promise<void> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(PLUG_MS)]);
    await disks.plugAgain(vm, within).catch((err: unknown) => {
      if (!signal.aborted) log.warn({ err, vmId: vm }, "the disks of a VM that started were not put in");
    });
  }

  async function follow(): Promise<void> {
    const label = [`${mark.installation}=${names.installation}`, `${mark.kind}=vm`];
    const query = filters({ type: ["container"], event: ["start"], label });
    const events = await engine.stream("GET", "/events", { query, signal });
    // From here on no start is missed; one before is found by looking.
    await lookAtAll();
    let rest = "";
    for await (const part of events.setEncoding("utf8")) {
      const lines = (rest + String(part)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const vm = Event.safeParse(JSON.parse(line)).data?.Actor.Attributes[mark.vm];
        if (vm !== undefined) void plugAll(vm);
      }
    }
  }

  async function lookAtAll(): Promise<void> {
    for (const vm of await disks.holders(AbortSignal.any([signal, AbortSignal.timeout(PLUG_MS)]))) await plugAll(vm);
  }

  const every = async (pauseMs: number, what: string, work: () => Promise<unknown>, restMs = pauseMs) => {
    for (await rest(restMs); !signal.aborted; await rest(pauseMs)) {
      await work().catch((err: unknown) => {
        if (!signal.aborted) log.warn({ err }, what);
      });
    }
  };
  const rest = (ms: number) => sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
  const loops = Promise.all([
    every(AGAIN_MS, "the Docker engine's events are not followed", follow, 0),
    every(LOOK_EVERY_MS, "VMs were not looked at", lookAtAll),
    every(TIDY_EVERY_MS, "leftovers were not tidied", () => tidying.tidy(signal), AGAIN_MS),
  ]);

  return {
    async [Symbol.asyncDispose]() {
      end.abort();
      await loops;
    },
  };
}
