// What git of the person may ask this agent: credentials for a host, a signature under a commit. The secrets themselves stay
// sealed in the journal and are opened for one answer; no copy waits anywhere.
import { fail } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import { Allowance } from "./allowance.ts";
import { credentialFor, type Given, readRequest } from "./credential-rule.ts";
import type { House } from "./house.ts";
import { signSsh } from "./signing.ts";
import { openTaskSecrets } from "./task-secrets.ts";

export interface GitBroker {
  /** Answers git's credential protocol (`get`): its lines, or nothing when there is no secret for exactly that. */
  credentials(request: string): Promise<string>;
  /** The SSH signature of a commit or tag, armored. @throws {FailureError} `not_found` without a key, `quota_exceeded`, `internal` */
  sign(payload: Buffer): Promise<string>;
}

export type BrokerParts = {
  given: () => Promise<Given | undefined>;
  log: Pick<Logger, "info" | "warn">;
  allowance?: Allowance;
};

const AT_ONCE = 40;
const ONE_EVERY_MS = 500;

/** A broker over what `given` gives at the moment of asking. */
export function openGitBroker({
  given,
  log,
  allowance = new Allowance(AT_ONCE, ONE_EVERY_MS),
}: BrokerParts): GitBroker {
  const mayAsk = (what: string) => {
    if (allowance.take()) return;
    log.warn({ what }, "git asked too often");
    throw fail("quota_exceeded", "git asks too often; wait a few seconds.");
  };
  return {
    async credentials(text) {
      mayAsk("credentials");
      const request = readRequest(text);
      const known = request === undefined ? undefined : await given();
      const found = request === undefined || known === undefined ? undefined : credentialFor(request, known);
      const { protocol, host } = request ?? {};
      log.info({ protocol, host, given: found !== undefined }, "git asked for credentials");
      return found === undefined ? "" : `username=${found.username}\npassword=${found.password}\n`;
    },
    async sign(payload) {
      mayAsk("a signature");
      const signing = (await given())?.secrets.signing;
      if (signing?.format !== "ssh") throw fail("not_found", "This Gitspace was given no SSH key to sign with.");
      log.info({ bytes: payload.length }, "git asked for a signature");
      return await signSsh(signing.key, payload);
    },
  };
}

/** What the start brought that stands: its secrets are opened each time, so that nothing is kept and a restart loses nothing. */
export async function givenByStart(house: Pick<House, "journal" | "identities">): Promise<Given | undefined> {
  const waiting = house.journal.unanswered().findLast(({ task }) => task.type === "gitspace.start");
  const task = (waiting ?? house.journal.standingStart())?.task;
  if (task?.type !== "gitspace.start") return undefined;
  return { secrets: await openTaskSecrets(house, task), repository: task.data.repository.url };
}
