// `npm run bench -- NAME [--json] [--runs N | --rounds N]`: starts a system of its own, measures, prints, removes it.
import { parseArgs } from "node:util";
import { claim } from "./claim.ts";
import { devcontainer } from "./devcontainer.ts";
import { dispatch } from "./dispatch.ts";
import { gateway } from "./gateway.ts";
import { idle } from "./idle.ts";
import { recover } from "./recover.ts";
import { ssh } from "./ssh.ts";
import { start } from "./start.ts";

type Bench = { defaultRuns: number; run: (runs: number) => Promise<Record<string, number>> };
const benches: Record<string, Bench> = {
  claim: { defaultRuns: 1_000, run: claim },
  dispatch: { defaultRuns: 200, run: dispatch },
  start: { defaultRuns: 20, run: start },
  devcontainer: { defaultRuns: 12, run: devcontainer },
  idle: { defaultRuns: 1, run: idle },
  gateway: { defaultRuns: 5, run: gateway },
  ssh: { defaultRuns: 3, run: ssh },
  recover: { defaultRuns: 24, run: recover },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false }, runs: { type: "string" }, rounds: { type: "string" } },
});
const [name = ""] = positionals;
const bench = benches[name];
const runs = Number(values.runs ?? values.rounds ?? bench?.defaultRuns);
if (bench === undefined || !Number.isInteger(runs) || runs < 1) {
  console.error(`Usage: npm run bench -- ${Object.keys(benches).join("|")} [--json] [--runs N | --rounds N]`);
  process.exit(2);
}

const figures = await bench.run(runs);
if (values.json) {
  console.log(JSON.stringify({ bench: name, figures }));
} else {
  const width = Math.max(...Object.keys(figures).map((key) => key.length));
  console.log(`\n${name}`);
  for (const [key, value] of Object.entries(figures))
    console.log(`  ${key.padEnd(width)}  ${String(value).padStart(10)}`);
}
