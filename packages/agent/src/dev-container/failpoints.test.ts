// What is done on the way of a dev container, and which failpoint comes after it. A new effect has to be entered here.
import { failpointComplaints, type Reasons } from "@gitspaces/daemon/testing/failpoints";
import { expect, test } from "vitest";
import { devContainerFailpointNames } from "./failpoints.ts";

const inside = "its own effects have failpoints";
const asks = "a question; nothing is changed by it";
const waits = "a wait; what it waits for has failpoints";
const again = "what it removes or makes, it removes or makes again; the next effect has a failpoint";
const memory = "in memory, made anew by the next start; the next effect has a failpoint";

const reasons: Reasons = {
  "workplace.ts": {
    "present.dialler.Symbol.asyncDispose": "ends what this agent's life alone holds",
    letGo: "ends what this agent's life alone holds",
    "engine.answers": asks,
    "parts.homeBack": waits,
    "ground.open": inside,
    mendEngine: inside,
    isSilent: asks,
    use: "agent.afterContainer",
    "parts.raise": inside,
    "parts.wanted": "opens what came with the task; nothing is written",
    "ide.ready": "agent.afterContainerIde",
    "keeper.letGo": waits,
    "preload.stop": waits,
    quiet: waits,
    "work.stage": inside,
    "engine.ready": waits,
    tellOfIde: inside,
    "ide.stop": "agent.afterContainerIdeStop",
    reachable: asks,
    "parts.askGit": asks,
    stopContainers: "agent.afterContainersStopped",
    "ground.close": inside,
    dialContainer: "for whoever came through the gateway; no effect of a task",
    "ide.dial": "for whoever came through the gateway; no effect of a task",
    "ide.Symbol.asyncDispose": "ends what this agent's life alone holds",
    "engine.stop": again,
  },
  "ground.ts": {
    "engine.answers": asks,
    "engine.stop": "agent.afterEngineStopped",
    mountVolumes: "agent.afterVolumes",
    unmountVolumes: "agent.afterVolumesAway",
  },
  "volumes.ts": { mkdirSync: again, tool: "agent.afterVolumes", run: "agent.afterVolumes" },
  "preload.ts": {
    "running.ended": waits,
    stop: waits,
    pass: inside,
    fetch: "agent.afterImage",
    sleep: waits,
    "engine.stop": "agent.afterPreload",
    "engine.ready": waits,
    "engine.docker": "agent.afterImage",
  },
  "contained.ts": {
    "engine.ask": asks,
    "engine.ask.catch": asks,
    runningContainers: asks,
    "Promise.all": inside,
    "engine.docker": "agent.afterContainersStopped",
    "engine.docker.catch": "agent.afterContainersStopped",
    killLeft: "agent.afterContainersStopped",
    sleep: waits,
  },
  "known-changes.ts": { writeDurably: "agent.afterChangesKept", rmSync: again },
  "keeper.ts": {
    "running.ended": waits,
    letGo: waits,
    "keeping.complaint": asks,
    sleep: waits,
    recover: inside,
    "pause.wait": waits,
  },
  "raising.ts": {
    rmSync: memory,
    mkdirSync: again,
    findContainers: asks,
    finish: inside,
    readRepository: inside,
    recover: inside,
    prepare: "agent.afterConfiguration",
    bringUp: inside,
    "site.raising.beforeHooks": inside,
    runLifecycle: "agent.afterLifecycle",
    probeEnv: asks,
    startAttach: "agent.afterAttach",
  },
  "bringing-up.ts": {
    findFitting: "agent.afterOldContainers",
    guessHome: asks,
    "engine.ask": "agent.afterHomeVolume",
    up: "agent.afterUp",
    look: asks,
    removeContainers: "agent.afterOldContainers",
    giveTo: "agent.afterOwner",
    homeFolder: asks,
    containersBeside: asks,
    mountsStillFit: again,
    writeRaised: "agent.afterRaised",
    findContainers: asks,
    writeFileSync: memory,
    devcontainer: "agent.afterUp",
    lookInside: asks,
  },
  "preparation.ts": { renderCompose: "agent.afterConfiguration", writeCompose: memory },
  "compose-file.ts": {
    composeConfig: asks,
    ask: asks,
    "new Promise": "waits for Compose to have read",
    writeFileSync: memory,
  },
  "lifecycle.ts": { devcontainer: "agent.afterLifecycle", run: "agent.afterAttach" },
  "registry-login.ts": { rmSync: memory, mkdirSync: memory, writeFileSync: memory },
  "ownership.ts": { run: "agent.afterOwner" },
  "existing-containers.ts": {
    "engine.ask": asks,
    findContainers: asks,
    containersBeside: asks,
    "engine.docker": "agent.afterOldContainers",
  },
  "container-facts.ts": { "Promise.all": asks, "engine.ask": asks },
  "home-guess.ts": { userOfImage: asks, "engine.docker": asks },
  "cli.ts": { mkdirSync: memory, writeFileSync: memory, once: "waits for the end of the program" },
  "raised-record.ts": { writeDurably: "agent.afterRaised" },
};
const effects = [
  "writeDurably",
  "writeFileSync",
  "rmSync",
  "mkdirSync",
  "appendFileSync",
  "writeCompose",
  "writeRaised",
];

test("each effect on the way of a dev container has a failpoint, or a reason to have none", () => {
  const folder = import.meta.dirname;
  const names = devContainerFailpointNames;
  expect(failpointComplaints({ daemon: "agent", folder, names, reasons, effects })).toEqual([]);
});
