import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { GitspaceTask } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { Journal } from "./journal.ts";
import { Work } from "./work.ts";

const task: GitspaceTask = {
  v: 1,
  id: randomUUID(),
  type: "gitspace.stop",
  gitspaceId: "hello-k3v9x2",
  generation: 1,
  deadline: Date.now() + 60_000,
  data: {},
  signature: "none",
};

function begin(): { work: Work; journal: Journal } {
  const journal = new Journal(":memory:");
  journal.add(task, 0);
  return { work: new Work({ task, receivedAt: 0 }, journal, Date), journal };
}

test("a journal that can not be written ends the work, not the agent", async () => {
  const { work, journal } = begin();
  journal[Symbol.dispose]();
  work.emit("note", "said in vain");
  work.emit("log", "and a line");
  await sleep(60);
  expect(work.signal.aborted).toBe(true);
  expect(work.finish().map(({ message }) => message)).toEqual(["said in vain", "and a line"]);
});

test("what is hidden is not shown in any form that git or a server would give it", () => {
  const { work, journal } = begin();
  const secret = "pä ss/word+1";
  work.hide(secret);
  const forms = [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64")];
  expect(work.redact(`got ${forms.join(" and ")}.`)).toBe("got [secret] and [secret] and [secret].");
  journal[Symbol.dispose]();
});
