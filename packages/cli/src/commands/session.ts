// What every command of a signed-in person begins with.
import { type Api, openApi } from "../api.ts";
import type { CliContext } from "../program.ts";
import { findServer } from "../profile.ts";

/** The API of the control plane this person uses. @throws {FailureError} `denied` when they are not signed in. */
export function signedIn({ env, signal }: CliContext): Api {
  return openApi(findServer({ env, folder: process.cwd() }), signal);
}

/** The id of the latest event of a Gitspace, so that a wait begins behind it; 0 before the first. */
export async function latestEvent(api: Api, id: string): Promise<number> {
  return (await api.latestEvents(id)).reduce((latest, event) => Math.max(latest, event.id), 0);
}
