// What a list of events says: actions, and in each its phases, with how long they took and how they ended. Pure.

const titles = { start: "Start", stop: "Stop", reset: "Reset", delete: "Delete", undelete: "Undelete" };

/** `agent_clone_failed` → phase `agent_clone`, failed. The action `gitspace_action_start` ends in `_start` and is no phase's start. */
export function readKind(kind) {
  const action = /^gitspace_action_(start|stop|reset|delete|undelete)(?:_(completed|failed))?$/.exec(kind);
  if (action !== null)
    return { action: action[1], phase: `gitspace_action_${action[1]}`, mark: marks[action[2] ?? "start"] };
  const phase = /^(.+)_(start|completed|failed)$/.exec(kind);
  if (phase !== null) return { phase: phase[1], mark: marks[phase[2]] };
  return { phase: kind, mark: kind === "note" ? "note" : "fact" };
}

const marks = { start: "running", completed: "done", failed: "failed" };

/**
 * Groups of rows, oldest first: `{ id, title, at, endedAt, mark, rows: [{ text, at, endedAt, mark, depth }] }`. A mark is one of
 * running, done, failed, fact, note, unknown. Once an action is over none of its phases runs: they share the action's failure,
 * or their end is unknown.
 */
export function readTimeline(events) {
  const groups = [];
  let group;
  for (const event of events) {
    if (event.event === "log") continue;
    const { action, phase, mark } = readKind(event.event);
    if (action !== undefined && mark === "running") {
      group = open(groups, event, titles[action]);
      continue;
    }
    group ??= open(groups, event, "Events");
    if (action !== undefined) close(group, event, mark);
    else if (mark === "done" || mark === "failed") endRow(group, phase, event, mark);
    else addRow(group, phase, event, { mark, endedAt: undefined });
  }
  return groups;
}

function open(groups, event, title) {
  const before = groups.at(-1);
  if (before !== undefined && before.mark === "running") close(before, event, "unknown");
  const group = {
    id: event.id,
    title,
    text: event.message,
    at: event.timestamp,
    endedAt: undefined,
    mark: "running",
    rows: [],
  };
  groups.push(group);
  return group;
}

function close(group, event, mark) {
  group.mark = mark;
  group.endedAt = event.timestamp;
  if (mark !== "unknown") group.text = event.message || group.text;
  for (const row of group.rows)
    if (row.mark === "running")
      Object.assign(row, { mark: mark === "failed" ? "failed" : "unknown", endedAt: event.timestamp });
}

/** `depth`: how many phases are under way around it. */
function addRow(group, phase, event, { mark, endedAt }) {
  const depth = group.rows.filter((row) => row.mark === "running").length;
  group.rows.push({ phase, text: event.message || phase, at: event.timestamp, endedAt, mark, depth });
}

function endRow(group, phase, event, mark) {
  const row = group.rows.findLast((each) => each.phase === phase && each.mark === "running");
  if (row === undefined) addRow(group, phase, event, { mark, endedAt: event.timestamp });
  else {
    // A reason is told once: the phases around the one that failed keep their own words.
    const isTold = mark === "failed" && group.rows.some((each) => each.mark === mark && each.text === event.message);
    Object.assign(row, { text: (isTold ? "" : event.message) || row.text, mark, endedAt: event.timestamp });
  }
}
