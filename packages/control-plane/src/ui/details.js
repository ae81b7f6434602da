// One Gitspace: its state, what to do with it, what happens to it and what it writes, all live.
import { activityView } from "./activity.js";
import { api } from "./api.js";
import { element } from "./element.js";
import { errorCard, facts, heading } from "./facts.js";
import { listen } from "./live.js";
import { logView } from "./log-view.js";
import { sharingView } from "./sharing.js";
import { isBusy } from "./state.js";
import { timelineView } from "./timeline-view.js";

export async function showDetails(view, id) {
  const { content, signal, signedOut } = view;
  document.title = `${id} · Gitspaces`;
  const head = element("div");
  const failure = element("div", { role: "alert" });
  const about = element("div");
  const away = element("p", { class: "hint", role: "status" });
  const timeline = timelineView(id);
  const log = logView(id);
  const activity = activityView(id, signal);
  const sharing = sharingView(id);
  let gitspace;
  let told = 0;
  let shownState;

  function draw(next) {
    if (signal.aborted || (gitspace !== undefined && next.generation < gitspace.generation)) return;
    gitspace = next;
    document.title = `${gitspace.name} · Gitspaces`;
    // Only what changed is drawn again, so that a focused button stays focused.
    redraw(head, [gitspace.state, gitspace.name], () => heading(view, gitspace));
    redraw(failure, [gitspace.state, gitspace.instance?.error_message], () => errorCard(gitspace, log));
    redraw(about, [gitspace], () => facts(gitspace));
    if (gitspace.state !== shownState) void activity.read();
    shownState = gitspace.state;
    timeline.setBusy(isBusy(gitspace.state));
  }
  function gone() {
    if (signal.aborted) return;
    content.replaceChildren(
      element(
        "section",
        { class: "card narrow" },
        element("h1", {}, "There is no such Gitspace"),
        element("p", {}, `${id} does not exist, or is somebody else's, or was deleted.`),
        element("p", {}, element("a", { href: "/", "data-route": true }, "See all Gitspaces")),
      ),
    );
  }
  async function read() {
    try {
      const before = told;
      const read = await api.gitspace(id);
      // The stream is never behind an answer: what it told meanwhile stands.
      if (told === before) draw(read);
      await timeline.read();
      away.textContent = "";
    } catch (error) {
      if (error.status === 401) return signedOut();
      if (error.status === 404 || error.status === 400) return gone();
      away.textContent = error.message;
    }
  }
  const onBroken = () => {
    away.textContent = "The connection is lost; trying again…";
    // A deleted Gitspace has no stream any more: asking tells it from a server that is away.
    void read();
  };

  content.replaceChildren(
    element("a", { class: "back", href: "/", "data-route": true }, "← All Gitspaces"),
    head,
    away,
    failure,
    element(
      "div",
      { class: "columns" },
      element("div", { class: "wide" }, timeline.element, log.element),
      element("div", {}, about, activity.element, sharing.element),
    ),
  );
  await read();
  if (signal.aborted || gitspace === undefined) return;
  void sharing.read();
  listen(() => api.eventsPath(id, timeline.last()), {
    signal,
    onOpen: read,
    onBroken,
    handlers: {
      state: (next) => {
        told += 1;
        draw(next);
      },
      timeline: (event) => timeline.add([event]),
      deleted: () => void view.go("/", { replace: true }),
    },
  });
  listen(() => api.logsPath(id, log.last()), {
    signal,
    onOpen: () => void log.read().catch(() => undefined),
    onBroken: () => undefined,
    handlers: { log_line_appended: (line) => log.add([line]) },
  });
  const ticking = setInterval(timeline.tick, 100);
  signal.addEventListener("abort", () => clearInterval(ticking));
}

const drawn = new WeakMap();
function redraw(place, from, make) {
  const key = JSON.stringify(from);
  if (drawn.get(place) === key) return;
  drawn.set(place, key);
  place.replaceChildren(...[make()].flat().filter((each) => each !== undefined));
}
