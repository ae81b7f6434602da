// What is done on the way of a task, and which failpoint comes after it. A new effect has to be entered here.
import { failpointComplaints, type Reasons } from "@gitspaces/daemon/testing/failpoints";
import { expect, test } from "vitest";
import { failpointNames } from "./failpoints.ts";

const inside = "its own effects have failpoints";
const answered = "nothing of ours is changed by it";
const waits = "a wait; what it waits for has failpoints";
const again = "what it removes or makes, it removes or makes again; the next effect has a failpoint";

const reasons: Reasons = {
  "identity.ts": {
    "crypto.subtle.importKey": "reads a key that is in memory",
    writeDurably: "within take, which is agent.afterIdentity; the sealing key is made before the agent serves anyone",
  },
  "server.ts": {
    serve: inside,
    once: "waits for the listener to open",
    closed: "waits for the listener to close",
    readJsonBody: "reads what was sent",
    "identities.take": "agent.afterIdentity",
    "journal.raiseGeneration": "agent.afterGeneration",
    "desk.accept": inside,
    streamTask: "reads the journal for whoever listens",
  },
  "task-desk.ts": {
    verifyTask: "pure: a signature is right or not",
    "journal.add": "agent.afterTask",
    see: inside,
    "Promise.race": waits,
    "performing.catch": waits,
    "desk.perform": inside,
    perform: inside,
    "desk.journal.answer": "agent.afterAnswer",
    "Promise.all": waits,
    "new Promise": "waits for an abort",
  },
  "work.ts": { "journal.append": "agent.afterEvents", work: inside },
  "gitspace.ts": {
    gitspaceStatus: answered,
    fullDisk: "asks how full the disks are",
    "house.journal.setFact": "agent.afterFact",
    "journal.setFact": "agent.afterFact",
    into: inside,
    startGitspace: inside,
    stopGitspace: inside,
    removeGitspace: inside,
    work: inside,
  },
  "gitspace-start.ts": {
    setUp: inside,
    "work.stage": inside,
    "house.homeDisk.attached": "agent.afterHomeDisk",
    claimHome: "agent.afterHomeClaim",
    "workplace.settle": inside,
    "workplace.raise": inside,
    openTaskSecrets: "opens what came with the task; nothing is written",
    ensureClone: "agent.afterClone",
    "journal.setFact": "agent.afterFact",
  },
  "in-place.ts": {
    furnishHome: "agent.afterHomeFurnished",
    "work.stage": inside,
    writeMachineSettings: again,
    openFolderFirst: "agent.afterDevcontainer",
    runHooks: "agent.afterHookNoted",
    "ide.ready.catch": "agent.afterIde",
    "ide.stop": "agent.afterIdeStop",
    endProcesses: "agent.afterProcesses",
    hasGitChanges: "agent.afterGitChanges",
    dialPort: answered,
    "runner.dial": answered,
    "ssh.dial": answered,
    "ide.Symbol.asyncDispose": "agent.afterIdeStop",
    "git.prepare": "agent.afterGitPrepared",
    "git.Symbol.asyncDispose": "closes a socket of this process",
    rmSync: "a clone that could not be used goes; if it stays, the next start meets the same devcontainer.json",
  },
  "gitspace-stop.ts": {
    claimHome: "agent.afterHomeClaim",
    "work.stage": inside,
    "house.workplace.end": inside,
    "house.workplace.hasGitChanges": "agent.afterGitChanges",
    syncHome: inside,
    deletePersonsData: "agent.afterRemoval",
    rmSync: "within deletePersonsData, which is agent.afterRemoval",
    run: "agent.afterSync",
  },
  "home-disk.ts": {
    "waitUntil.catch": "waits for the disk; nothing is changed by it",
    "new Promise": "waits for the disk; nothing is changed by it",
    writeDurably: "agent.afterHomeClaim",
  },
  "clone.ts": {
    mkdirSync: again,
    rmSync: again,
    cloneRepository: "agent.afterCheckout",
    "cloning.prepared": inside,
    fetchSubmodules: "agent.afterSubmodules",
    fetchLargeFiles: "agent.afterHalfClone",
    renameSync: "agent.afterClone",
  },
  "clone-command.ts": {
    mkdirSync: again,
    rmSync: again,
    cloneOnce: "agent.afterCheckout",
    sleep: waits,
    gitFrom: inside,
    holdToHost: answered,
    "git.catch": "agent.afterCloneBegun",
  },
  "submodules.ts": {
    visit: inside,
    listSubmodules: answered,
    git: answered,
    fetchOne: "agent.afterSubmodules",
    gitFrom: "agent.afterSubmodules",
  },
  "git-in-place.ts": {
    openGitDoor: "opens a socket of this process",
    sshPublicKey: answered,
    rmSync: again,
    mkdirSync: again,
    writeFileSync: again,
    signingKeyOf: answered,
    ensureGitIdentity: "agent.afterGitPrepared",
    run: "agent.afterGitPrepared",
    "opened.Symbol.asyncDispose": "closes a socket of this process",
  },
  "git-identity.ts": { runAsPerson: "agent.afterGitPrepared" },
  "large-files.ts": { git: answered, gitFrom: "agent.afterHalfClone" },
  "repository-host.ts": { "lookup.catch": answered },
  "git-credentials.ts": {
    mkdirSync: again,
    rmSync: again,
    writeFileSync: again,
  },
  "devcontainer.ts": {},
  "hooks.ts": {
    runHook: "agent.afterHook",
    writeDurably: "agent.afterHookNoted",
    "Promise.all": waits,
    run: "agent.afterHook",
  },
  "task-secrets.ts": {
    ImportExpression: "loads code",
    openSecrets: "pure: decrypts in memory",
    "identities.openingKey": "reads a key that is in memory",
  },
};
const effects = [
  "writeDurably",
  "writeFileSync",
  "renameSync",
  "rmSync",
  "mkdirSync",
  "claimHome",
  "furnishHome",
  "writeMachineSettings",
  "openFolderFirst",
  "deletePersonsData",
  "identities.take",
  "journal.add",
  "journal.append",
  "journal.answer",
  "journal.setFact",
  "journal.raiseGeneration",
];

test("I2 E1: each effect of the agent on the way of a task has a failpoint, or a reason to have none", () => {
  const daemon = "agent";
  const folder = import.meta.dirname;
  expect(failpointComplaints({ daemon, folder, names: failpointNames, reasons, effects })).toEqual([]);
});
