// The timeline of a Gitspace: one group for each action, the present one open.
import { api } from "./api.js";
import { button, element } from "./element.js";
import { clock, duration } from "./moment.js";
import { readTimeline } from "./timeline.js";

const words = { running: "under way", done: "done", failed: "failed", fact: "", note: "note", unknown: "end unknown" };

export function timelineView(id) {
  const events = new Map();
  const toggled = new Map();
  const place = element("div", { class: "groups" });
  let busy = false;
  let oldestPage = 1;
  let running = [];
  const earlier = button("Earlier events", { class: "quiet", hidden: true }, () => readPage(oldestPage + 1));
  const whole = element("section", { class: "card" }, element("h2", {}, "Timeline"), place, earlier);

  function draw() {
    const now = Date.now();
    const groups = readTimeline([...events.values()].toSorted((a, b) => a.id - b.id));
    running = [];
    const newest = groups.at(-1)?.id;
    const focused = document.activeElement?.dataset.group;
    place.replaceChildren(
      ...(groups.length === 0
        ? [element("p", { class: "hint" }, "Nothing has happened yet. Start it to see how.")]
        : groups.toReversed().map(drawGroup)),
    );

    function drawGroup(group) {
      const made = element(
        "details",
        { open: toggled.get(group.id) ?? group.id === newest },
        element(
          "summary",
          // Opening by hand is remembered; opening by us is not.
          { "data-group": group.id, onclick: () => toggled.set(group.id, !made.open) },
          mark(group),
          element("strong", {}, group.title),
          element("span", { class: "text" }, group.mark === "failed" ? group.text : ""),
          took(group),
          time(group.at),
        ),
        element(
          "ol",
          { class: "phases" },
          group.rows.map((row) =>
            element(
              "li",
              { class: `${row.mark} depth${Math.min(row.depth, 3)}` },
              mark(row),
              element("span", { class: "text" }, row.text),
              took(row),
              time(row.at),
            ),
          ),
        ),
      );
      return made;
    }
    function mark(each) {
      const shown = each.mark === "running" && !busy ? "unknown" : each.mark;
      return element("span", {
        class: `mark ${shown}`,
        role: words[shown] === "" ? undefined : "img",
        "aria-label": words[shown] || undefined,
      });
    }
    function took(each) {
      const made = element("span", { class: "took" });
      if (each.endedAt !== undefined && each.endedAt !== each.at) made.textContent = duration(each.endedAt - each.at);
      else if (each.mark === "running" && busy) running.push({ made, at: each.at });
      return made;
    }
    function time(at) {
      return element("time", { datetime: new Date(at).toISOString() }, clock(at, now));
    }
    if (focused !== undefined) place.querySelector(`[data-group="${focused}"]`)?.focus({ preventScroll: true });
    tick();
  }
  function tick() {
    const now = Date.now();
    for (const { made, at } of running) made.textContent = duration(Math.floor(Math.max(0, now - at) / 100) * 100);
  }
  function add(more) {
    const before = events.size;
    for (const event of more) if (event.event !== "log") events.set(event.id, event);
    if (events.size !== before || before === 0) draw();
  }
  async function readPage(page) {
    const more = await api.events(id, page);
    oldestPage = Math.max(oldestPage, page);
    if (page === oldestPage) earlier.hidden = more.length < 100;
    add(more);
  }
  return {
    element: whole,
    add,
    tick,
    read: () => readPage(1),
    last: () => Math.max(0, ...events.keys()),
    setBusy(next) {
      if (next === busy) return;
      busy = next;
      draw();
    },
  };
}
