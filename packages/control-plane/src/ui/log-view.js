// What a Gitspace wrote, line by line; it follows the end as long as its reader stays there.
import { api } from "./api.js";
import { element } from "./element.js";
import { clock } from "./moment.js";

const MOST_LINES = 5_000;
// Colours and cursor movements of a terminal (ECMA-48), and control characters.
const ESCAPES =
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-_])|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

export function logView(id) {
  let last = 0;
  const nothing = element("p", { class: "hint" }, "Nothing is written yet.");
  const lines = element("div", { class: "log", role: "log", tabindex: "0", "aria-label": "Log", hidden: true });
  const whole = element("section", { class: "card" }, element("h2", {}, "Log"), nothing, lines);

  function add(more) {
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    const fresh = more.filter(({ pos }) => pos > last).toSorted((a, b) => a.pos - b.pos);
    if (fresh.length === 0) return;
    last = fresh.at(-1).pos;
    const now = Date.now();
    lines.append(
      ...fresh.map((line) =>
        element(
          "div",
          {},
          element("time", {}, clock(line.time, now)),
          element("span", {}, line.out.replaceAll(ESCAPES, "")),
        ),
      ),
    );
    while (lines.childElementCount > MOST_LINES) lines.firstElementChild.remove();
    lines.hidden = false;
    nothing.hidden = true;
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }
  return {
    element: whole,
    add,
    last: () => last,
    /** Reads every line behind the last one shown. */
    async read() {
      for (let before = -1; before !== last; ) {
        before = last;
        add(await api.logs(id, last));
      }
    },
  };
}
