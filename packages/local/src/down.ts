// Stopping whatever runs on a data folder, however it was left. Running it again changes nothing.
import { existsSync } from "node:fs";
import { clearLeftovers } from "./leftovers.ts";
import { lockHolder, takeLock } from "./lock.ts";
import { signalProcess, waitForEnd } from "./process-identity.ts";
import { rememberedProvider } from "./provider-choice.ts";
import { groundOf } from "./vm-ground.ts";

const STOP_DEADLINE_MS = 120_000;

/** Stops the supervisor and everything it left; says what it did. */
export async function stopSystem(dataFolder: string, say: (line: string) => void): Promise<void> {
  if (!existsSync(dataFolder)) {
    say(`Nothing runs on ${dataFolder}: there is no such folder.`);
    return;
  }
  const supervisor = lockHolder(dataFolder);
  if (supervisor !== undefined) {
    say(`Stopping Gitspaces on ${dataFolder} (pid ${supervisor.pid}).`);
    signalProcess(supervisor, "SIGTERM");
    if (!(await waitForEnd(supervisor, STOP_DEADLINE_MS))) {
      say(`It did not stop within ${STOP_DEADLINE_MS / 1_000} s; killing it.`);
      signalProcess(supervisor, "SIGKILL");
      await waitForEnd(supervisor, 5_000);
    }
  }
  using held = new DisposableStack();
  held.use(takeLock(dataFolder));
  const ground = await groundOf(rememberedProvider(dataFolder) ?? "process", process.env);
  const ended = await clearLeftovers(dataFolder, ground);
  if (ended.length > 0) say(`Ended what was left: ${ended.join(", ")}.`);
  if (supervisor === undefined && ended.length === 0) say(`Nothing was running on ${dataFolder}.`);
  else say("Stopped. The data is kept.");
}
