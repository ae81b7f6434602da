// All tables of the control plane behind their nouns, and the one way to write to several of them: a step.
import { failpoint } from "@gitspaces/daemon";
import { giveRoomBack, openDatabase, probeDatabase, transaction } from "@gitspaces/daemon/sqlite";
import { Bells } from "../bells.ts";
import { afterStep, type StepName } from "../failpoints.ts";
import { openAccess, openGateways } from "./access.ts";
import { openActivity } from "./activity.ts";
import { openCreations } from "./creations.ts";
import { openDelegates } from "./delegates.ts";
import { openEvents, openLogs } from "./events.ts";
import { openActions, openGitspaces, openInstances } from "./gitspaces.ts";
import { openProbes } from "./probes.ts";
import { migrations } from "./schema.ts";
import { openSshKeys } from "./ssh-keys.ts";
import { openPasses, openVisibility } from "./sharing.ts";
import { openTasks } from "./tasks.ts";
import { openLinks, openSessions, openTokens, openUsers, openVisits } from "./users.ts";

export type Store = ReturnType<typeof openStore>;

/** Opens the database at `path`, or makes it. */
export function openStore(path: string) {
  const db = openDatabase(path, migrations);
  const bells = new Bells();
  return {
    bells,
    users: openUsers(db),
    tokens: openTokens(db),
    sessions: openSessions(db),
    links: openLinks(db),
    visits: openVisits(db),
    sshKeys: openSshKeys(db),
    gitspaces: openGitspaces(db),
    instances: openInstances(db),
    actions: openActions(db),
    tasks: openTasks(db),
    events: openEvents(db),
    logs: openLogs(db),
    delegates: openDelegates(db),
    access: openAccess(db),
    gateways: openGateways(db),
    activity: openActivity(db),
    creations: openCreations(db),
    probes: openProbes(db),
    visibility: openVisibility(db),
    passes: openPasses(db),
    /** Does `work` in one transaction; whoever waits for what it touched is woken once it is on disk. Its name is its failpoint's. */
    step<T>(name: StepName, work: () => T): T {
      try {
        const result = transaction(db, work);
        bells.ringTouched();
        failpoint(afterStep(name));
        return result;
      } finally {
        bells.forgetTouched();
      }
    },
    /** Throws when the database does not take a write that lasts. */
    probe(): void {
      probeDatabase(db);
    },
    /** Makes what room it can on a disk that has none. */
    giveRoomBack(): void {
      giveRoomBack(db);
    },
    [Symbol.dispose](): void {
      db.close();
    },
  };
}
