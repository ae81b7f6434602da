// No effect of the delegate is without a failpoint: its source says what it calls, the list says which points there are.
import { expect, test } from "vitest";
import {
  controlPlanePoints,
  failpointNames,
  gatewayPoints,
  journalPoints,
  markPoints,
  queuePoints,
} from "../../apps/delegate/src/failpoints.ts";
import { callsIn } from "./source-calls.ts";

const files = ["intake", "work", "outbox", "courier", "runner-queue", "gateway-tasks"];
const calls = callsIn(files.map((name) => `apps/delegate/src/${name}.ts`));
const pointed = {
  ...withPrefix("journal", journalPoints),
  ...withPrefix("controlPlane", controlPlanePoints),
  ...withPrefix("queue", queuePoints),
  ...withPrefix("marks", markPoints),
};

/** Calls of ports, and waits, that change nothing anywhere: a crash there is a crash after the effect before it. */
const without: Record<string, string> = {
  "journal.find": "read",
  "journal.acquiring": "read",
  "journal.lastEvent": "read",
  "journal.unsent": "read",
  "journal.unsentAnswer": "read",
  "journal.pendingEvents": "read",
  "journal.tasksWithEvents": "read",
  "queue.getJob": "read",
  "queue.getJobState": "read",
  "queue.on": "a listener in memory",
  "queue.close": "the end of the process",
  "redis.on": "a listener in memory",
  "redis.off": "a listener in memory",
  "redis.time": "read",
  "redis.info": "read",
  "redis.duplicate": "a second connection",
  "redis.disconnect": "the end of the process",
  "registration.id": "read",
  "registration.registered": "wait for an id",
  "registration.confirmed": "a heartbeat, which changes nothing that is kept",
  "registration.forgotten": "memory only",
  "pause.wait": "wait",
  "Promise.allSettled": "wait for what has its own points",
  "Promise.all": "wait for what has its own points",
  "Promise.race": "wait",
  "courier.offered": "wait for events on their way",
  "promise.finally": "wait for an answer",
  "place.follow": "the queue's and the gateway's calls, listed themselves",
  jobIds: "read",
  cancel: "of this file",
  tidyJobs: "of this file",
  acquireAndBegin: "of this file",
  acquireFirst: "of this file",
  again: "of this file",
  settle: "of this file",
  post: "of this file",
  attempt: "of this file",
  connection: "wait for the certificate",
  unlessAborted: "wait for the certificate",
  readText: "read of a response that is there",
  readStream: "of this file, with its own point",
};

test("I2 E1: every effect of the delegate has a failpoint behind it", () => {
  const ports = /^(?:journal|controlPlane|queue|marks|redis|registration)\.\w+$/;
  const unknown = calls
    .filter(({ callee, isAwaited }) => ports.test(callee) || isAwaited)
    .filter(({ callee }) => !(callee in pointed) && !(callee in without) && callee !== "open")
    .map(({ file, line, callee }) => `${file}:${line} ${callee}`);
  expect(unknown).toEqual([]);
});

test("I2 E1: no port's effect hides behind a wait, and no word of the lists is about a call that is gone", () => {
  const callees = new Set(calls.map(({ callee }) => callee));
  expect([...Object.keys(pointed), ...Object.keys(without)].filter((callee) => !callees.has(callee))).toEqual([]);
  expect(Object.keys(pointed).filter((callee) => callee in without)).toEqual([]);
});

test("I2 E1: the points on the way to the gateway stand in its source, one for each request", () => {
  const gateway = calls.filter(({ file }) => file.endsWith("/gateway-tasks.ts"));
  expect(gateway.filter(({ callee }) => callee === "open")).toHaveLength(2);
  expect(gateway.filter(({ callee }) => callee === "failpoint")).toHaveLength(Object.keys(gatewayPoints).length);
  expect(new Set(failpointNames).size).toBe(failpointNames.length);
});

function withPrefix(port: string, points: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(points).map(([method, name]) => [`${port}.${method}`, name]));
}
