// How much memory each daemon holds when nothing happens.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openInstallation } from "./installation.ts";

const IDLE_MS = 60_000;

/** Resident megabytes (10^6 bytes) per daemon after a minute with one warm VM. */
export async function idle(): Promise<Record<string, number>> {
  await using installation = await openInstallation({ warm: 1 });
  await installation.waitForWarm(1);
  await sleep(IDLE_MS);
  const { data, pid } = installation.system.up as typeof installation.system.up & { pid: number };
  const processes = JSON.parse(readFileSync(join(data, "processes.json"), "utf8")) as { name: string; pid: number }[];
  const all = [...processes, { name: "supervisor", pid }];
  return Object.fromEntries(
    all.map((each) => [`${each.name.replaceAll("-", "_")}_mb`, residentMegabytes(each.pid)]),
  ) as Record<string, number>;
}

function residentMegabytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round((Number(kilobytes) * 1_024) / 100_000) / 10;
}
