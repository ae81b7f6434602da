// The still parts of a Gitspace's page: its name and buttons, its failure, what is known of it.
import { api } from "./api.js";
import { button, element, outsideLink } from "./element.js";
import { ago, clock } from "./moment.js";
import { attempt, confirm, copy } from "./notices.js";
import { lastUsed, stateBadge } from "./state.js";

export function heading(view, gitspace) {
  const { identifier: id, state } = gitspace;
  const can = {
    start: state === "stopped" || state === "uninitialized",
    stop: state === "running",
    cancel: state === "starting",
    reset: state === "running" || state === "stopped" || state === "error",
    undelete: state === "deleted",
    remove: state !== "cleaning" && state !== "deleted",
  };
  return element(
    "div",
    { class: "heading" },
    element("div", { "aria-live": "polite" }, element("h1", {}, gitspace.name), stateBadge(state)),
    element(
      "div",
      { class: "row" },
      state === "running" && outsideLink(gitspace.url, "Open", { class: "button solid" }),
      can.start && button("Start", { class: "solid" }, () => attempt(() => api.act(id, "start"))),
      can.stop && button("Stop", {}, () => attempt(() => api.act(id, "stop"))),
      can.cancel && button("Cancel", {}, () => attempt(() => api.act(id, "cancel"))),
      can.reset && button("Reset", {}, () => reset(gitspace)),
      can.undelete && button("Undelete", { class: "solid" }, () => attempt(() => api.act(id, "undelete"))),
      can.remove && button("Delete", { class: "danger" }, () => remove(view, gitspace)),
    ),
  );
}

async function reset({ identifier: id, name, state }) {
  const wanted = await confirm(
    `Reset ${name}?`,
    `Its VM and everything that runs there go; its files stay.${state === "running" ? " It starts again on a fresh one." : ""}`,
    "Reset",
  );
  if (wanted) await attempt(() => api.act(id, "reset"));
}

async function remove({ go }, { identifier: id, name, state }) {
  const wanted = await confirm(
    `Delete ${name}?`,
    "Its VM goes now. Every file in it, also what is not pushed, goes when its time is over; until then it can be undeleted.",
    "Delete",
  );
  if (!wanted) return;
  await attempt(async () => {
    await api.remove(id);
    // What never ran is gone at once and has no page any more.
    if (state === "uninitialized") await go("/", { replace: true });
  });
}

export function errorCard(gitspace, log) {
  if (gitspace.state !== "error") return undefined;
  const { error_message: message, error_code: code } = gitspace.instance ?? {};
  return element(
    "section",
    { class: "card failure" },
    element("h2", {}, "This Gitspace failed"),
    element("p", {}, message ?? "No reason is given; the timeline and the log may tell."),
    element(
      "div",
      { class: "row" },
      button("Try again", { class: "solid" }, () => attempt(() => api.act(gitspace.identifier, "start"))),
      button("See the log", {}, () => log.element.scrollIntoView({ behavior: "smooth" })),
      code !== null && code !== undefined && element("code", { class: "code" }, code),
    ),
  );
}

export function facts(gitspace) {
  const { instance } = gitspace;
  const now = Date.now();
  const link = gitspace.url;
  const copyButton = element(
    "button",
    { type: "button", class: "quiet", onclick: () => attempt(() => copy(link, copyButton)) },
    "Copy link",
  );
  const rows = [
    [
      "Address",
      element("span", {}, outsideLink(link, link.replace(/^https?:\/\//, "").replace(/\/$/, "")), " ", copyButton),
    ],
    ["Repository", outsideLink(gitspace.code_repo_url, gitspace.code_repo_url.replace(/^https?:\/\//, ""))],
    ["Branch", gitspace.branch ?? "the default one"],
    ["Machine", `${gitspace.resource_identifier}${instance?.warm === true ? ", stood ready" : ""}`],
    ["Owner", gitspace.user_display_name || gitspace.user_id],
    ["Changes", instance?.has_git_changes === true && "not all committed and pushed"],
    ["Kept until", gitspace.undelete_until !== null && clock(gitspace.undelete_until, now)],
    ["Created", clock(gitspace.created, now)],
    ["Last used", ago(lastUsed(gitspace), now)],
    ["Id", element("code", {}, gitspace.identifier)],
  ];
  return element(
    "section",
    { class: "card" },
    element("h2", {}, "About"),
    element(
      "dl",
      {},
      rows
        .filter(([, value]) => value !== false)
        .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
    ),
  );
}
