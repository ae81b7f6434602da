// `npm run bench -- NAME [--json] [--runs N | --rounds N]`: starts a system of its own, measures, prints, removes it.
import { asked } from "./asked.ts";
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

const bench = benches[asked.name];
const runs = Number(asked.runs ?? asked.rounds ?? bench?.defaultRuns);
const usage = `Usage: npm run bench -- ${Object.keys(benches).join("|")} [--json] [--runs N | --rounds N]`;
if (asked.help) {
  console.log(usage);
  process.exit(0);
}
if (bench === undefined || !Number.isInteger(runs) || runs < 1) {
  console.error(usage);
  process.exit(2);
}

const figures = await bench.run(runs);
if (asked.json) {
  console.log(JSON.stringify({ bench: asked.name, figures }));
} else {
  const width = Math.max(...Object.keys(figures).map((key) => key.length));
  console.log(`\n${asked.name}`);
  for (const [key, value] of Object.entries(figures))
    console.log(`  ${key.padEnd(width)}  ${String(value).padStart(10)}`);
}
