// Looks at every hop of the installation and says what to mend.
import { FailureError } from "@gitspaces/contracts";
import { openApi } from "../api.ts";
import { diagnose } from "../doctor/diagnosis.ts";
import { type Finding, showFindings, unknown, well, wrong } from "../doctor/finding.ts";
import { examineLocally, type Installation, logIn, readInstallation } from "../doctor/local-daemons.ts";
import { trialOf, tryStart } from "../doctor/trial.ts";
import type { Server } from "../http.ts";
import type { CliContext, Ending } from "../program.ts";
import { findServer } from "../profile.ts";

export type DoctorOptions = { data?: string; start?: string | true };

/** Examines what can be seen from here: the API, and on the machine of a local installation its processes too. */
export async function doctor(context: CliContext, options: DoctorOptions): Promise<Ending> {
  const { terminal, signal, env } = context;
  const server = findServer({ env: around(env, options.data), folder: process.cwd() });
  const installation = installationOf(server);
  const trial = options.start === undefined ? undefined : trialOf(options.start, installation);
  const api = openApi(server, signal);
  const logOf = (daemon: string) =>
    installation === undefined ? `<data>/logs/${daemon}.log on its machine` : logIn(installation, daemon);

  const [local, seen] = await Promise.all([
    installation === undefined ? [] : examineLocally(installation),
    examineApi(server, () => api.installationHealth(), logOf),
  ]);
  const findings = [...local, ...seen];
  if (trial !== undefined) findings.push(...(await tryStart(api, terminal, trial, signal)));

  const faults = findings.filter(({ state }) => state === "wrong");
  if (terminal.json) terminal.out(JSON.stringify({ ok: faults.length === 0, findings }));
  else terminal.out(showFindings(terminal, findings));
  if (faults.length === 0) return;
  const parts = [...new Set(faults.map(({ part }) => part))].join(", ");
  return { failure: { code: "conflict", message: `Something is wrong: ${parts}.`, retry: "later" }, shown: true };
}

/** A data folder that is named wins over a server that the environment names. */
function around(env: NodeJS.ProcessEnv, data: string | undefined): NodeJS.ProcessEnv {
  if (data === undefined) return env;
  return { ...env, GITSPACES_DATA_FOLDER: data, GITSPACES_URL: undefined, GITSPACES_TOKEN_FILE: undefined };
}

/** Only a server that was found by its `up.json` is looked at from the inside. */
function installationOf({ from }: Server): Installation | undefined {
  return from.endsWith("up.json") ? readInstallation(from) : undefined;
}

async function examineApi(
  server: Server,
  ask: () => Promise<Parameters<typeof diagnose>[0]>,
  logOf: (daemon: string) => string,
): Promise<Finding[]> {
  try {
    const health = await ask();
    return [well("API", `${server.url} answers, and knows the token from ${server.from}`), ...diagnose(health, logOf)];
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    const { code, message } = error.failure;
    if (code === "denied" && message.includes("administrator")) {
      const known = well("API", `${server.url} answers, and knows the token from ${server.from}`);
      return [known, unknown("installation", "only an administrator's token can look further")];
    }
    const cure =
      code === "denied"
        ? "Sign in again with: gitspaces login"
        : `Look at ${logOf("control-plane")}. Is the address right?`;
    return [wrong("API", message, cure)];
  }
}
