// Runs inside a dev container as the person's user: has the IDE install the extensions that the configuration names, one after
// the other, but for those that are there. Says how each went, one line of JSON each.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const { entry, data, extensions, wanted } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const DEADLINE_MS = 180_000;

function installed() {
  try {
    return new Set(
      JSON.parse(readFileSync(join(extensions, "extensions.json"), "utf8")).map(({ identifier }) =>
        identifier.id.toLowerCase(),
      ),
    );
  } catch {
    return new Set();
  }
}

async function install(extension) {
  const args = [entry, "--user-data-dir", data, "--extensions-dir", extensions, "--install-extension", extension];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: DEADLINE_MS,
    killSignal: "SIGKILL",
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said = (said + text).slice(-4_000)));
  const code = await new Promise((resolve) => child.once("close", resolve).once("error", () => resolve(1)));
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  const why = lines.findLast((line) => /error|fail|not found|unable/i.test(line)) ?? lines.at(-1);
  return { extension, ok: code === 0, why: why?.slice(0, 300) ?? "it said nothing" };
}

const there = installed();
for (const extension of wanted) {
  // `publisher.name@1.2.3` names a version, which may differ from the one that is there.
  if (there.has(extension.toLowerCase())) continue;
  console.log(JSON.stringify(await install(extension)));
}
