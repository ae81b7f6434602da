// What the journal keeps, and for how long.
import { expect, test } from "vitest";
import { openJournal } from "./journal.ts";
import { eventOf } from "./testing/runner.ts";
import { vmTask, wire } from "./testing/task.ts";

function journalAt(time: { now: number }) {
  return openJournal(":memory:", () => time.now);
}

test("a task has one terminal answer; a later one is kept beside it", () => {
  using journal = journalAt({ now: 1 });
  const task = vmTask();
  journal.accept(wire(task), "d-1", task.deadline);
  expect(journal.answer(task.id, "first")).toBe(true);
  expect(journal.answer(task.id, "second")).toBe(false);
  expect(journal.unsentAnswer(task.id)?.body).toBe("first");
});

test("an acquire that was never answered is remembered, one that was lost is not", () => {
  using journal = journalAt({ now: 1 });
  const [ours, lost] = [vmTask(), vmTask()];
  journal.intend(ours.id, ours.type, "d-1");
  journal.intend(lost.id, lost.type, "d-1");
  journal.forget(lost.id);
  expect(journal.acquiring()).toEqual([{ id: ours.id, type: "vm.status" }]);
  journal.accept(wire(ours), "d-2", ours.deadline);
  expect(journal.acquiring()).toEqual([]);
  expect(journal.unanswered()).toMatchObject([{ id: ours.id, holder: "d-2", deadline: ours.deadline }]);
});

test("accepting a task once more does not open it again", () => {
  using journal = journalAt({ now: 1 });
  const task = vmTask();
  journal.accept(wire(task), "d-1", task.deadline);
  journal.answer(task.id, "answer");
  journal.accept(wire(task), "d-1", task.deadline);
  expect(journal.find(task.id)?.state).toBe("answered");
});

test("an event is stored once, also after it was acknowledged", () => {
  using journal = journalAt({ now: 1 });
  const task = vmTask();
  journal.accept(wire(task), "d-1", task.deadline);
  expect(journal.addEvents(task.id, [eventOf(task, 2), eventOf(task, 1)])).toBe(2);
  expect(journal.addEvents(task.id, [eventOf(task, 1), eventOf(task, 2), eventOf(task, 3)])).toBe(1);
  expect(journal.pendingEvents(task.id, 10).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  journal.dropEvents(task.id, 3);
  expect(journal.addEvents(task.id, [eventOf(task, 3)])).toBe(0);
  expect(journal.lastEvent(task.id)).toBe(3);
  expect(journal.tasksWithEvents()).toEqual([]);
});

test("acknowledged tasks are kept until they are too old; others until they are answered and acknowledged", () => {
  const time = { now: 1_000 };
  using journal = journalAt(time);
  const [open, unsent, done] = [vmTask(), vmTask(), vmTask()];
  for (const task of [open, unsent, done]) journal.accept(wire(task), "d-1", task.deadline);
  journal.addEvents(done.id, [eventOf(done, 1)]);
  for (const task of [unsent, done]) journal.answer(task.id, "answer");
  time.now = 2_000;
  journal.close(done.id, "acknowledged");
  expect(journal.prune(2_000)).toBe(0);
  expect(journal.prune(2_001)).toBe(1);
  expect(journal.find(done.id)).toBeUndefined();
  expect(journal.tasksWithEvents()).toEqual([]);
  expect(journal.find(open.id)?.state).toBe("accepted");
  expect(journal.find(unsent.id)?.state).toBe("answered");
});

test("a task whose events nobody takes stores no more of them", () => {
  using journal = journalAt({ now: 1 });
  const task = vmTask();
  journal.accept(wire(task), "d-1", task.deadline);
  journal.addEvents(task.id, [eventOf(task, 1)]);
  journal.refuseEvents(task.id);
  expect(journal.addEvents(task.id, [eventOf(task, 2)])).toBe(0);
  expect(journal.tasksWithEvents()).toEqual([]);
  expect(String(journal.lastEvent(task.id))).toMatch(/^\d{1,12}$/);
});
