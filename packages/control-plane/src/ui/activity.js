// Why a Gitspace is still running: what uses it, and when it stops by itself, which its owner sets here.
import { api } from "./api.js";
import { element } from "./element.js";
import { ago, clock } from "./moment.js";
import { attempt } from "./notices.js";

const AGAIN_MS = 60_000;
const IDE_PORT = 8089;
const CHOICES = [
  ["", "when somebody stops it"],
  ["30", "after 30 idle minutes"],
  ["60", "after an idle hour"],
  ["240", "after 4 idle hours"],
  ["1440", "after an idle day"],
];

const units = ["B", "KB", "MB", "GB", "TB"];
function bytes(amount) {
  const power = amount < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(amount) / 10));
  const value = amount / 1_024 ** power;
  return `${power === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** What a person calls it. */
function nameOf({ source, port }) {
  if (source === "ssh") return "SSH";
  const by = source === "websocket" ? "live connection" : "requests";
  return port === IDE_PORT ? `Editor, ${by}` : `Port ${port}, ${by}`;
}

function entryRow(entry, now) {
  const used = entry.last_active === null ? "open, not used" : `used ${ago(entry.last_active, now)}`;
  return element(
    "div",
    {},
    element("dt", {}, nameOf(entry)),
    element("dd", {}, `${used}, ${bytes(entry.bytes)} in 24 h`),
  );
}

/** The card, and `read` to fetch what it shows; it reads again by itself every minute until the signal aborts. */
export function activityView(id, signal) {
  const select = element(
    "select",
    { id: "auto-stop", onchange: () => attempt(() => choose()) },
    ...CHOICES.map(([value, label]) => element("option", { value }, label)),
  );
  const until = element("p", { class: "hint", role: "status" });
  const entries = element("dl");
  const card = element(
    "section",
    { class: "card" },
    element("h2", {}, "Use"),
    element("label", { for: "auto-stop" }, "It stops "),
    select,
    until,
    entries,
  );

  async function choose() {
    await api.setAutoStop(id, select.value === "" ? null : Number(select.value));
    await read();
  }
  async function read() {
    const activity = await api.activity(id);
    if (signal.aborted) return;
    const now = Date.now();
    const { auto_stop_minutes: minutes, stops_at: stopsAt } = activity;
    const value = minutes === null ? "" : String(minutes);
    // One that was set elsewhere to something else is offered too.
    if (![...select.options].some((option) => option.value === value))
      select.append(element("option", { value }, `after ${minutes} idle minutes`));
    if (document.activeElement !== select) select.value = value;
    until.textContent = stopsAt === null ? "" : `At ${clock(stopsAt, now)}, unless somebody uses it before.`;
    entries.replaceChildren(...activity.entries.map((entry) => entryRow(entry, now)));
    if (activity.entries.length === 0)
      entries.append(element("div", {}, element("dd", {}, "Nobody in the last 24 hours.")));
  }
  const quietly = () => read().catch(() => undefined);
  const timer = setInterval(quietly, AGAIN_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  return { element: card, read: quietly };
}
