// `gitspaces-gateway reload`: has the running gateway start its successor from the code on the disk, and waits until it serves.
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Crew, isAlive, type Member, signalTo } from "./hand-over/crew.ts";

const DEADLINE_MS = 620_000;
const LOOK_MS = 50;
const USAGE = `Usage: gitspaces-gateway reload [--data DIR]

Starts a new gateway process from the code and the configuration file that are on the disk now, and hands the listening sockets
over to it. The old process serves the connections that it has until they end.

  --data DIR   the gateway's data folder (default: $GITSPACES_DATA_FOLDER)
`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: { data: { type: "string" }, help: { type: "boolean", short: "h" } },
    allowPositionals: true,
  });
  if (values.help === true) return say(USAGE.trimEnd(), 0);
  if (positionals.join(" ") !== "reload") return say(USAGE.trimEnd(), 2);
  const data = values.data ?? process.env["GITSPACES_DATA_FOLDER"] ?? "";
  if (data === "") return say("Say which gateway: --data DIR, or GITSPACES_DATA_FOLDER.", 2);
  return await reload(new Crew(resolve(data)), data);
}

async function reload(crew: Crew, data: string): Promise<number> {
  const before = crew.others().find(({ role }) => role === "current");
  if (before === undefined) return say(`No gateway runs on ${data}.`, 1);
  signalTo(before, "SIGHUP");
  for (const until = performance.now() + DEADLINE_MS; performance.now() < until; await sleep(LOOK_MS)) {
    const members = crew.others();
    const failed = members.find(({ pid }) => pid === before.pid)?.failed;
    if (failed !== undefined && failed.at !== before.failed?.at)
      return say(`The gateway (pid ${before.pid}) serves on: ${failed.reason}`, 1);
    const after = members.find(({ pid, role }) => role === "current" && pid !== before.pid);
    if (after !== undefined && !isCurrent(members, before)) return say(told(before, after), 0);
    if (after === undefined && !isAlive(before)) return say(`The gateway (pid ${before.pid}) ended meanwhile.`, 1);
  }
  return say(`The gateway (pid ${before.pid}) neither handed over nor said why not.`, 1);
}

function isCurrent(members: readonly Member[], { pid }: Member): boolean {
  return members.some((member) => member.pid === pid && member.role === "current");
}

function told(before: Member, after: Member): string {
  const rest = isAlive(before) ? `; pid ${before.pid} serves the connections that it has` : "";
  return `The gateway is pid ${after.pid} now${rest}.`;
}

function say(words: string, code: number): number {
  (code === 0 ? process.stdout : process.stderr).write(`${words}\n`);
  return code;
}
